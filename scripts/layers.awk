# SPDX-License-Identifier: BSD-3-Clause
# Who may include whom, as docs/design.md draws it: never upward, never sideways between drivers.
# The internal headers that a folder may use besides its own; public headers are open to all.

BEGIN {
    allowed["core"] = " "
    allowed["host"] = allowed["mem"] = allowed["vfio-user"] = " core "
    allowed["iommu"] = " core host mem vfio-user "
    allowed["model"] = " core mem vfio-user iommu "
    allowed["device"] = " core host mem vfio-user iommu model "
    allowed["net"] = allowed["dma"] = " core host mem vfio-user iommu device "
}

function refuse(why) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, why, header
    bad = 1
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    header = $0
    sub(/^[^"]*"/, "", header)
    sub(/".*$/, "", header)
    split(FILENAME, file, "/")
    n = split(header, part, "/")
    if (n < 3 && part[1] !~ /^(lib|drivers|models)$/)
        next # a header of the same folder

    if (file[1] == "lib") {
        if (part[1] == "drivers" || part[1] == "models" || part[1] == "hw")
            refuse("the library knows no driver and no model")
        else if (file[2] == "include")
            refuse("a public header includes <weir/...> only")
        else if (part[1] == "lib" && part[2] != file[2] && !index(allowed[file[2]], " " part[2] " "))
            refuse("lib/" file[2] " stands below or beside lib/" part[2])
    } else if (file[1] == "drivers" || file[1] == "models") {
        if (part[1] == "lib")
            refuse("drivers and models use the public headers only")
        else if (file[3] != "" && (part[1] == "drivers" || part[1] == "models") &&
                 (part[1] != file[1] || part[2] != file[2]))
            refuse("drivers and models do not know each other")
    } else if (file[1] == "examples" || file[1] == "tools") {
        if (part[1] != file[1])
            refuse("programs use the public headers only")
    }
}

END { exit bad }
