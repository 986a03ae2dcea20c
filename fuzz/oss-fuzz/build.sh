#!/bin/bash -eu
# Runs in the image of the Dockerfile beside it: every target, its corpus and its dictionary to $OUT.
cd "$SRC/oap/fuzz"
cargo fuzz build -O --debug-assertions

dictionary() {
    case $1 in
        error | hello) echo json ;;
        bytes) echo frame ;;
        inflate) echo zlib ;;
        settings) echo settings ;;
    esac
}

for target in $(cargo fuzz list); do
    cp "target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
    zip -jqr "$OUT/${target}_seed_corpus.zip" "corpus/$target"
    name=$(dictionary "$target")
    if [ -n "$name" ]; then
        cp "dict/$name.dict" "$OUT/$target.dict"
    fi
done
