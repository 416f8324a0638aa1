// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// A descriptor of the operating system, closed at the end of its life.
class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    bool open() const { return number_ >= 0; }
    int number() const { return number_; }
    bool close() { return ::close(std::exchange(number_, -1)) == 0; }

private:
    int number_;
};

/// The operating system would stop reading the name there.
inline bool has_zero(const std::filesystem::path& path) { return path.native().find('\0') != std::string::npos; }

/// A file that appears under its name when it is whole, or not at all: whatever stood there before stays until then.
///
/// Written beside it under a name of its own; finish() sees to it that the disk has every byte, gives the file its name
/// and fsyncs the folder. If the process is killed, the temporary file may remain,
/// msrnn-<process>-<number>.tmp, to be deleted. A file that is replaced hands on its permissions; of a symbolic link
/// the file it leads to is replaced. Devices and pipes are rejected.
class NewFile {
public:
    explicit NewFile(std::filesystem::path path) : path_(std::move(path)), file_(create()) {}
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile() {
        if (made_) ::unlink(beside_.c_str());
    }

    void write(std::span<const std::byte> bytes) {
        while (wrong_.empty() && !bytes.empty()) {
            const ssize_t written = ::write(file_.number(), bytes.data(), bytes.size());
            if (written >= 0)
                bytes = bytes.subspan(static_cast<std::size_t>(written));
            else if (errno != EINTR)
                fail("writing failed");
        }
    }
    /// Empty, or what went wrong.
    std::string finish() {
        if (wrong_.empty() && ::fsync(file_.number()) != 0) fail("writing failed");
        if (wrong_.empty() && !file_.close()) fail("writing failed");
        if (wrong_.empty() && ::rename(beside_.c_str(), path_.c_str()) != 0) fail("the finished file got no name");
        if (!wrong_.empty()) return wrong_;
        made_ = false;

        const Descriptor entries(::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!entries.open() || ::fsync(entries.number()) != 0)
            return std::string("written, but its folder may forget it if the power fails (") + std::strerror(errno) +
                   ")";
        return {};
    }

private:
    std::filesystem::path folder() const { return path_.has_parent_path() ? path_.parent_path() : "."; }

    Descriptor create() {
        static std::atomic<unsigned> number{0};
        mode_t permissions = 0666;
        if (!takes_a_file(permissions)) return Descriptor(-1);
        for (;;) {
            beside_ = folder() / ("msrnn-" + std::to_string(::getpid()) + "-" + std::to_string(number++) + ".tmp");
            Descriptor file(::open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions));
            made_ = file.open();
            if (!made_ && errno == EEXIST) continue;
            if (!made_ || (replaced_ && ::fchmod(file.number(), permissions) != 0))
                fail("no file can be made beside it");
            return file;
        }
    }
    /// Whether a file may be created at the path, and with which permissions.
    bool takes_a_file(mode_t& permissions) {
        if (has_zero(path_)) {
            wrong_ = "a zero byte in its name; give another name";
            return false;
        }
        std::error_code none;
        if (const auto leads_to = std::filesystem::canonical(path_, none); !none) path_ = leads_to;
        struct stat status = {};
        replaced_ = ::stat(path_.c_str(), &status) == 0;
        if (replaced_ && !S_ISREG(status.st_mode)) {
            wrong_ = "what stands there is no file; give another name";
            return false;
        }
        if (replaced_) permissions = status.st_mode & 07777;
        return true;
    }
    void fail(const char* what) {
        wrong_ = std::string(what) + " (" + std::strerror(errno) + "); what was there before is as it was";
    }

    std::filesystem::path path_, beside_;
    std::string wrong_;
    bool made_ = false;      // whether the file beside is there
    bool replaced_ = false;  // whether there is a file already
    Descriptor file_;
};

/// A file that is read at whatever place is asked for.
class OldFile {
public:
    explicit OldFile(const std::filesystem::path& path)
        : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // a pipe would wait
        struct stat status = {};
        if (has_zero(path))
            wrong_ = "a zero byte in its name; give another name";
        else if (!file_.open() || ::fstat(file_.number(), &status) != 0)
            wrong_ = std::string("it cannot be opened (") + std::strerror(errno) + ")";
        else if (!S_ISREG(status.st_mode))
            wrong_ = "it is no file";
        else
            size_ = static_cast<std::uint64_t>(status.st_size);
    }
    /// Why it cannot be read; empty where it can.
    const std::string& wrong() const { return wrong_; }
    std::uint64_t size() const { return size_; }

    bool read(std::uint64_t from, std::span<std::byte> bytes) const {
        while (!bytes.empty()) {
            const ssize_t got = ::pread(file_.number(), bytes.data(), bytes.size(), static_cast<off_t>(from));
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return false;
            bytes = bytes.subspan(static_cast<std::size_t>(got));
            from += static_cast<std::uint64_t>(got);
        }
        return true;
    }

private:
    Descriptor file_;
    std::string wrong_;
    std::uint64_t size_ = 0;
};

}  // namespace msrnn::inline MSRNN_ABI::detail
