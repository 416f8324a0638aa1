#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <msrnn/rows/rows.hpp>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace memory_tests {

using msrnn::detail::RowMemoryPool;

namespace {
struct Block {
    unsigned char* memory;
    std::size_t bytes;
    unsigned char mark;
};
bool is_whole(const Block& block) {
    for (std::size_t i = 0; i < block.bytes; ++i)
        if (block.memory[i] != block.mark) return false;
    return true;
}
Block take(RowMemoryPool& pool, std::size_t bytes, unsigned char mark) {
    const Block block{static_cast<unsigned char*>(pool.take(bytes)), bytes, mark};
    std::memset(block.memory, mark, bytes);
    return block;
}
/// Takes and gives back at random; all that was taken stays what it was. Returns false where it does not.
bool survives(RowMemoryPool& pool, std::uint64_t seed) {
    Random random{seed};
    std::vector<Block> blocks;
    bool whole = true;
    for (int i = 0; i < 300; ++i) {
        if (blocks.size() < 12 && random.below(3) != 0) {
            const std::size_t bytes = 1 + (std::size_t{1} << random.below(21)) + random.below(1000);
            blocks.push_back(take(pool, bytes, static_cast<unsigned char>(i)));
            whole = whole && reinterpret_cast<std::uintptr_t>(blocks.back().memory) % 64 == 0;
        } else if (!blocks.empty()) {
            const std::size_t at = random.below(blocks.size());
            whole = whole && is_whole(blocks[at]);
            pool.give_back(blocks[at].memory, blocks[at].bytes);
            blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(at));
        }
    }
    for (const Block& block : blocks) {
        whole = whole && is_whole(block);
        pool.give_back(block.memory, block.bytes);
    }
    return whole;
}
}  // namespace

TEST_CASE("blocks of rows lie at cache lines, do not meet, and go back whole") {
    RowMemoryPool pool;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        REQUIRE(survives(pool, seed));
        REQUIRE(pool.bytes() == 0);
    }
}

TEST_CASE("what is asked for one after the other lies side by side in one piece, and freed memory is taken again") {
    RowMemoryPool pool;
    const std::size_t bytes = std::size_t{1} << 19;
    std::vector<void*> blocks;
    for (int i = 0; i < 16; ++i) blocks.push_back(pool.take(bytes));
    for (std::size_t i = 1; i < blocks.size(); ++i)
        CHECK(static_cast<char*>(blocks[i]) == static_cast<char*>(blocks[i - 1]) + bytes);
    CHECK(pool.bytes() == RowMemoryPool::piece_bytes);
    pool.give_back(blocks[3], bytes);
    CHECK(pool.take(bytes) == blocks[3]);
    for (void* const block : blocks) pool.give_back(block, bytes);
    CHECK(pool.bytes() == 0);
}

#if MSRNN_OWN_ROW_MEMORY
TEST_CASE("large pages without a row go back to the system, though a row holds their piece") {
    RowMemoryPool pool;
    const std::size_t bytes = RowMemoryPool::large_page / 4, pages = RowMemoryPool::piece_bytes / bytes;
    std::vector<Block> blocks;
    for (std::size_t i = 0; i < pages; ++i) blocks.push_back(take(pool, bytes, static_cast<unsigned char>(i + 1)));
    const auto resident = [&](const Block& block) {
        unsigned char page = 0;
        REQUIRE(mincore(block.memory + bytes / 2, 1, &page) == 0);
        return (page & 1) != 0;
    };
    for (std::size_t i = 4; i < 13; ++i)
        pool.give_back(blocks[i].memory, bytes);  // the second and third page, and more

    CHECK(!resident(blocks[8]));
    CHECK(resident(blocks[12]));  // its page holds rows
    for (std::size_t i = 0; i < pages; ++i) {
        if (i >= 4 && i < 13) continue;
        CHECK(is_whole(blocks[i]));
        pool.give_back(blocks[i].memory, bytes);
    }
    CHECK(pool.bytes() == 0);
}
#endif

TEST_CASE("few bytes and very many are allocations of their own") {
    RowMemoryPool pool;
    for (const std::size_t bytes : {std::size_t{1}, RowMemoryPool::fewest - 1, RowMemoryPool::most + 1}) {
        void* const block = pool.take(bytes);
        CHECK(pool.bytes() == 0);
        pool.give_back(block, bytes);
    }
}

TEST_CASE("threads may take and give back at once") {
    RowMemoryPool pool;
    bool whole[2] = {};
    std::thread other([&] { whole[1] = survives(pool, 21); });
    whole[0] = survives(pool, 22);
    other.join();
    CHECK(whole[0]);
    CHECK(whole[1]);
    CHECK(pool.bytes() == 0);
}

}  // namespace memory_tests
