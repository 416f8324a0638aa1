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

namespace msrnn::detail {

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

/// A file that appears under its name when it is whole, or not at all: whatever stood there before stays until then.
///
/// Written beside it under a name of its own; finish() sees to it that the disk has every byte, gives the file its name
/// and sees to it that the disk has the name too. A process that is killed leaves the other file behind,
/// NAME.<process>-<number>.tmp, to be deleted.
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

        const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
        const Descriptor entries(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!entries.open() || ::fsync(entries.number()) != 0)
            return path_.string() + ": written, but its folder may forget it if the power fails (" +
                   std::strerror(errno) + ").";
        return {};
    }

private:
    Descriptor create() {
        static std::atomic<unsigned> number{0};
        for (;;) {
            beside_ = path_;
            beside_ += "." + std::to_string(::getpid()) + "-" + std::to_string(number++) + ".tmp";
            Descriptor file(::open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
            if (!file.open() && errno == EEXIST) continue;
            made_ = file.open();
            if (!made_) fail("no file can be made beside it");
            return file;
        }
    }
    void fail(const char* what) {
        wrong_ = path_.string() + ": " + what + " (" + std::strerror(errno) + "); what was there before is as it was.";
    }

    std::filesystem::path path_, beside_;
    std::string wrong_;
    bool made_ = false;  // whether the file beside is there
    Descriptor file_;
};

/// A file that is read at whatever place is asked for.
class OldFile {
public:
    explicit OldFile(const std::filesystem::path& path)
        : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // a pipe would wait
        struct stat status = {};
        if (!file_.open() || ::fstat(file_.number(), &status) != 0)
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

}  // namespace msrnn::detail
