# From a disassembly: every call of a panicking function, as `address callee`. Calls within the
# functions that do nothing but panic are left out.

function panics(name) {
    return name ~ /^core::panicking::/ ||
        name ~ /^core::(option|result)::(unwrap|expect)_failed/ ||
        name ~ /^core::(slice|str|cell|num)::.*(_fail|fail_rt|do_panic.*|panic_.*)$/ ||
        name ~ /^alloc::raw_vec::(capacity_overflow|handle_error)/ ||
        name ~ /^alloc::alloc::handle_alloc_error/ ||
        name ~ /(^|::)rust_begin_unwind$/
}

/^[0-9a-f]+ <.*>:$/ {
    here = $0
    sub(/^[0-9a-f]+ </, "", here)
    sub(/>:$/, "", here)
    next
}

/\t(call|jmp|j[a-z]+) / && match($0, /<.*>$/) {
    callee = substr($0, RSTART + 1, RLENGTH - 2)
    if (panics(callee) && !panics(here)) {
        address = $1
        sub(/:$/, "", address)
        print address, callee
    }
}
