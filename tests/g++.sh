#!/bin/sh
# The C++ compiler of tests that ask what kernels compute, not how fast: g++ with -O1 after the flags of a package, which
# takes a third of the time; -fexpensive-optimizations joins products and sums, which sin and cos of vectors rely on.
# The packages of generated/ and those of the memory ladder are compiled as they are shipped.
for word; do
    case $previous in -o) made=${word##*/} ;; esac
    previous=$word
done
case $made in
ladder_*) exec g++ "$@" ;;
esac
for package in "${0%/*}"/../generated/*/; do
    package=${package%/}
    case $made in "${package##*/}"_*) exec g++ "$@" ;; esac
done
exec g++ "$@" -O1 -fexpensive-optimizations
