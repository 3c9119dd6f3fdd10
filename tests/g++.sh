#!/bin/sh
# The C++ compiler of tests that ask what kernels compute, not how fast: g++ with -O1 after the flags of a package, which
# takes a third of the time; -fexpensive-optimizations joins products and sums, which sin and cos of vectors rely on.
# The packages of generated/ and those of the memory ladder are compiled as they are shipped, but where a sanitizer looks
# at every access anyway. Nothing is optimised at link time, so that the linker needs no plugin, whose start takes as
# long as a small kernel, and may be gold, where there is one, which takes a fifth of the time of the other; what is
# preloaded into a test is not for g++.
unset LD_PRELOAD MALLOC_PERTURB_
linked=-fno-use-linker-plugin
if command -v ld.gold >/dev/null; then linked="$linked -fuse-ld=gold"; fi
sanitized=no
for word; do
    case $word in -fsanitize=*) sanitized=yes ;; esac
    case $previous in -o) made=${word##*/} ;; esac
    previous=$word
done
case $sanitized-$made in
no-ladder_*) exec g++ "$@" $linked ;;
esac
for package in "${0%/*}"/../generated/*/; do
    package=${package%/}
    case $made in "${package##*/}"_*) exec g++ "$@" $linked ;; esac
done
exec g++ "$@" -O1 -fexpensive-optimizations $linked
