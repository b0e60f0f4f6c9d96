// Says what is heard in raw sound on standard input: mono, 16 bits, little-endian, at TINYCLAP_SAMPLE_RATE.
#include "tinyclap.hpp"

#include <cstdio>

int main()
{
    tinyclap::Stream stream;
    std::array<std::int16_t, 4096> block;
    bool any = false;
    for (std::size_t n; (n = std::fread(block.data(), sizeof block[0], block.size(), stdin)) > 0;)
        stream.push(block.data(), n, [&](double seconds, const tinyclap::Embedding *embedding) {
            any = true;
            if (embedding == nullptr) {
                std::printf("%7.1f s  (silence)\n", seconds);
                return;
            }
            const auto best = tinyclap::classify(*embedding)[0];
            std::printf("%7.1f s  %.*s %.2f\n", seconds, static_cast<int>(best.name.size()), best.name.data(), best.probability);
            std::fflush(stdout);
        });
    if (!any)
        std::fprintf(stderr, "less than a window of sound: %d samples at %d Hz\n", TINYCLAP_WINDOW, TINYCLAP_SAMPLE_RATE);
    return any ? 0 : 1;
}
