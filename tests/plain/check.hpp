#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

// For programs without exceptions and run-time types, both of which Catch2 needs.
#if defined(__cpp_exceptions) || defined(__GXX_RTTI) || defined(__cpp_rtti)
#error "the programs of tests/plain are built with -fno-exceptions -fno-rtti"
#endif

inline int checks = 0, failures = 0;

inline void check(bool holds, const char* promise, int line = __builtin_LINE()) {
    ++checks;
    if (holds) return;
    ++failures;
    std::fprintf(stderr, "line %d: does not hold: %s\n", line, promise);
}
/// What main() returns. A program that checked nothing has failed.
inline int result() {
    std::printf("%d checks, %d failed\n", checks, failures);
    return checks > 0 && failures == 0 ? 0 : 1;
}

/// What action() says on stderr, in a process of its own, before it aborts; "no abort" where it does not.
template <class Action>
std::string last_words(Action action) {
    int ends[2];
    if (::pipe(ends) != 0) return "no pipe";
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit no_core = {};
        ::setrlimit(RLIMIT_CORE, &no_core);
        ::dup2(ends[1], STDERR_FILENO);
        action();
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string said;
    char bytes[4096];
    for (ssize_t got; (got = ::read(ends[0], bytes, sizeof bytes)) > 0;)
        said.append(bytes, static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    if (::waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        return "no abort, but: " + said;
    return said;
}
/// The sentence that problem() gives is the one the call would end with.
template <class Action>
void check_refusal(const std::string& sentence, Action action, int line = __builtin_LINE()) {
    check(!sentence.empty(), "a refusal is a sentence", line);
    check(last_words(action) == sentence + "\n", "who does not ask ends with the same sentence", line);
}
