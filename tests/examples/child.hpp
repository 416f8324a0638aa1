#pragma once

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "program.hpp"

extern char** environ;

/// A program that runs beside the test, which reads what it writes. The pipe between them is as short as they come, so
/// that the program is never more than a page ahead.
class Child {
public:
    Child(const std::string& name, std::vector<std::string> words) {
        words.insert(words.begin(), program_path(name));
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);

        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
        fcntl(ends[1], F_SETPIPE_SZ, 4096);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        const int failed = posix_spawn(&id_, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        out_ = ends[0];
        if (failed != 0) throw std::runtime_error("posix_spawn failed");
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        close(out_);
        if (running_) {
            kill(id_, SIGKILL);
            waitpid(id_, nullptr, 0);
        }
    }

    /// The next `bytes` of its output; fewer where it ends, or is silent for two minutes.
    std::string read(std::size_t bytes) {
        std::string text;
        while (text.size() < bytes) {
            pollfd waiting{out_, POLLIN, 0};
            char buffer[1024];
            if (poll(&waiting, 1, 120'000) <= 0) break;
            const ssize_t count = ::read(out_, buffer, std::min(bytes - text.size(), sizeof(buffer)));
            if (count <= 0) break;
            text.append(buffer, static_cast<std::size_t>(count));
        }
        return text;
    }

    /// The most memory it has had resident so far.
    std::size_t peak_kilobytes() const {
        std::ifstream status("/proc/" + std::to_string(id_) + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.rfind("VmHWM:", 0) == 0) return std::stoul(line.substr(6));
        return 0;
    }

    void interrupt(int signal = SIGINT) const { kill(id_, signal); }

    /// Its exit status; -1 where a signal ended it.
    int wait() {
        int result = 0;
        waitpid(id_, &result, 0);
        running_ = false;
        return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
    }

private:
    pid_t id_ = 0;
    int out_ = -1;
    bool running_ = true;
};
