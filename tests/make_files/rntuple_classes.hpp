// The classes in the RNTuples of tests/make_files: who reads them with ROOT has to declare them, and what their
// templates need.
#pragma once

#include <RtypesCore.h>

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace made {

struct Hit {
    float x = 0;
    std::int32_t channel = 0;
};

struct Track {
    double momentum = 0;
    std::vector<Hit> hits;
    std::string label;
};

struct Empty {};

struct Shape {
    std::int32_t grid[2][3] = {};
    float point[3] = {};
    Empty nothing;
    bool good = false;
    char letter = 'a';
    Double32_t reduced = 0;
    std::vector<std::int16_t> lists[2];
};

struct Root {
    std::int32_t id = 0;
    float weight = 0;
};

struct Middle : Root {
    std::int64_t id = 0; // hides the one of Root
    std::vector<float> values;
};

struct Left {
    std::uint8_t left = 0;
};

struct Leaf : Middle, Left {
    std::int16_t id = 0;
    Hit hit;
};

struct OnlyBase : Hit {};

enum Color { kRed = -1, kGreen, kBlue = 1000 };
enum class Small : std::uint8_t { kZero, kMany = 255 };
enum class Wide : std::int64_t { kLow = std::numeric_limits<std::int64_t>::min(), kHigh = 7 };

using Numbers = std::variant<std::int32_t, float>;
using Mixed = std::variant<bool, std::string, std::vector<float>, Track, std::array<std::int16_t, 2>>;
using Triple = std::vector<std::vector<std::vector<std::int32_t>>>;

} // namespace made
