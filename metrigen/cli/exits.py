"""How a command ends: its exit code."""

DONE, REFUSED, DRIFT, FAULT = range(4)
MEANINGS = {
    DONE: "done",
    REFUSED: "the spec was refused, or what is asked cannot be had; nothing was changed",
    DRIFT: "build --check: a package is not what its spec gives; or a wrong call",
    FAULT: "a fault of metrigen; a block to report is printed",
}
