// The C that `tinyclap export --c` writes, for C++17: embeddings, labels and streams. One header, and that C to link.
//
// Its state is static: one Stream at a time, from one thread.
#pragma once

#include "tinyclap.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tinyclap {

using Embedding = std::array<float, TINYCLAP_EMBED_DIM>; // of unit norm

// One window of TINYCLAP_WINDOW samples in [-1, 1]; a stream starts anew. Throws where it has another length.
inline Embedding embed(const std::vector<float> &window)
{
    if (window.size() != TINYCLAP_WINDOW)
        throw std::invalid_argument("a window has " + std::to_string(TINYCLAP_WINDOW) + " samples, got " +
                                    std::to_string(window.size()));
    Embedding made;
    tinyclap_embed(window.data(), made.data());
    return made;
}

#if TINYCLAP_LABELS > 0
struct Label {
    std::string_view name; // UTF-8
    float probability;
};

// Every label, the best first.
inline std::array<Label, TINYCLAP_LABELS> classify(const Embedding &embedding)
{
    std::array<float, TINYCLAP_LABELS> probabilities;
    std::array<Label, TINYCLAP_LABELS> labels;
    tinyclap_classify(embedding.data(), probabilities.data());
    for (int i = 0; i < TINYCLAP_LABELS; i++)
        labels[i] = {tinyclap_label(i), probabilities[i]};
    std::stable_sort(labels.begin(), labels.end(), [](const Label &a, const Label &b) { return a.probability > b.probability; });
    return labels;
}
#endif

class Stream {
public:
    Stream() { tinyclap_start(); }
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;

    // Takes mono samples at TINYCLAP_SAMPLE_RATE, as many as there are. After the first TINYCLAP_WINDOW of them, and then
    // every TINYCLAP_HOP, calls heard(seconds, embedding): where the window ends, and nullptr if it was silent.
    template <class Heard> void push(const std::int16_t *samples, std::size_t n, Heard &&heard)
    {
        take(tinyclap_push, samples, n, heard);
    }

    // The same of samples in [-1, 1].
    template <class Heard> void push(const float *samples, std::size_t n, Heard &&heard)
    {
        take(tinyclap_push_float, samples, n, heard);
    }

private:
    template <class Push, class Sample, class Heard>
    void take(Push push, const Sample *samples, std::size_t n, Heard &heard)
    {
        while (n > 0) {
            const std::size_t before = n;
            const tinyclap_event event = push(&samples, &n, embedding.data());
            position += before - n;
            if (event != TINYCLAP_MORE)
                heard(static_cast<double>(position) / TINYCLAP_SAMPLE_RATE,
                      event == TINYCLAP_EMBEDDING ? &embedding : static_cast<const Embedding *>(nullptr));
        }
    }

    std::uint64_t position = 0;
    Embedding embedding{};
};

} // namespace tinyclap
