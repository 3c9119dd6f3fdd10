#!/bin/sh
# The C++ compiler of tests that ask what kernels compute, not how fast: g++ with -O1 after the flags of a package, which
# takes a third of the time; -fexpensive-optimizations joins products and sums, which sin and cos of vectors rely on.
# The packages of generated/ are compiled as they are shipped. No library is optimised as a whole, so that the linker
# needs no plugin, whose start takes as long as a small kernel; what is preloaded is for the kernels, not for g++.
unset LD_PRELOAD MALLOC_PERTURB_
for word; do
    case $previous in -o) made=${word##*/} ;; esac
    previous=$word
done
for package in "${0%/*}"/../generated/*/; do
    package=${package%/}
    case $made in "${package##*/}"_*) exec g++ "$@" -fno-use-linker-plugin ;; esac
done
exec g++ "$@" -O1 -fexpensive-optimizations -fno-use-linker-plugin
