# From addr2line's frames of each call, innermost first, and the calls themselves: whose code it is.

function flush(    call, callee) {
    if (address == "") return
    getline call <calls
    callee = substr(call, index(call, " ") + 1)
    # An allocation that fails, however much of that is inlined.
    if (failed) callee = failed
    print (own != "" ? own : outer) ", calls " callee
}

/^0x/ { flush(); address = $0; own = outer = failed = ""; next }
{ name = $0; getline place; sub(/ \(discriminator.*/, "", place); outer = name " at " place }
name ~ /handle_alloc_error|capacity_overflow|handle_error/ { failed = "alloc::alloc::handle_alloc_error" }
own == "" && place !~ /\/library\/(core|alloc|std|compiler-builtins)\// { own = outer }
END { flush() }
