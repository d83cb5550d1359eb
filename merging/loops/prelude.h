// Vectors of entries, by the compiler's vector extensions: what the lines of a traced kernel mean.
// Comparisons give masks of -1 and 0; a choice by a mask takes whole entries. As in torch, a NaN
// stays one through every function but `sign`.

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512BW__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float F __attribute__((vector_size(4 * LANES)));
typedef int32_t I __attribute__((vector_size(4 * LANES)));
typedef uint32_t U __attribute__((vector_size(4 * LANES)));
typedef I M;

template <typename T>
struct Lanes {
    typedef T type __attribute__((vector_size(sizeof(T) * LANES), aligned(sizeof(T))));
};

// 16-bit floats, by their bits.
struct bfloat16 { uint16_t bits; };
struct float16 { uint16_t bits; };

static inline F all(float number) { return F{} + number; }
static inline I all(int32_t number) { return I{} + number; }

static inline I lanes() {
    I counted;
    for (int lane = 0; lane < LANES; lane++) counted[lane] = lane;
    return counted;
}

static inline F to_float(I x) { return __builtin_convertvector(x, F); }
static inline I to_int(F x) { return __builtin_convertvector(x, I); }
static inline F one_if(M x) { return (F)((I)all(1.0f) & x); }

static inline F magnitude(F x) { return (F)((U)x & 0x7fffffffu); }
static inline F with_sign_of(F x, F y) { return (F)((U)x | ((U)y & 0x80000000u)); }
static inline F sign(F x) { return x > 0.0f ? all(1.0f) : x < 0.0f ? all(-1.0f) : all(0.0f); }
static inline F at_least(F x, F low) { return x < low ? low : x; }
static inline F at_most(F x, F high) { return x > high ? high : x; }
static inline F larger(F x, F y) { return (x > y) | (x != x) ? x : y; }
static inline F smaller(F x, F y) { return (x < y) | (x != x) ? x : y; }

// e^x = 2^n e^r, |r| <= ln 2 / 2, e^r by its Taylor series to r^7: within 2 units in the last place.
static inline F exponential(F x) {
    F inside = x > 88.8f ? all(88.8f) : x < -104.0f ? all(-104.0f) : x;
    F scaled = inside * 1.44269504f;
    I whole = to_int(scaled + with_sign_of(all(0.5f), scaled));
    F n = to_float(whole);
    F r = (inside - n * 0.693359375f) + n * 2.12194440e-4f;
    F series = all(1.0f / 5040);
    series = series * r + 1.0f / 720;
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * r + 1.0f;
    series = series * r + 1.0f;
    // In two steps, so that neither factor leaves the range of exponents.
    I half = whole >> 1;
    F first = (F)((half + 127) << 23), second = (F)((whole - half + 127) << 23);
    return x == x ? series * first * second : x;
}

// tanh x = (e^2x - 1) / (e^2x + 1), by its Taylor series to x^11 where that would cancel.
static inline F hyperbolic_tangent(F x) {
    F size = magnitude(x), square = x * x;
    F capped = at_most(size, all(10.0f));
    F far = 1.0f - 2.0f / (exponential(capped + capped) + 1.0f);
    F series = all(-1382.0f / 155925);
    series = series * square + 62.0f / 2835;
    series = series * square - 17.0f / 315;
    series = series * square + 2.0f / 15;
    series = series * square - 1.0f / 3;
    F near = x + x * square * series;
    return size < 0.3f ? near : x == x ? with_sign_of(far, x) : x;
}

template <typename T>
struct Read {
    static F of(const T* at) {
        return __builtin_convertvector(*(const typename Lanes<T>::type*)at, F);
    }
};

template <typename T>
struct ReadWhole {
    static I of(const T* at) {
        return __builtin_convertvector(*(const typename Lanes<T>::type*)at, I);
    }
};

template <>
struct ReadWhole<uint8_t> {
    // By way of 16 bits, since compilers convert 8 to 32 bits entry by entry.
    static I of(const uint8_t* at) {
        auto bytes = *(const Lanes<uint8_t>::type*)at;
        auto words = __builtin_convertvector(bytes, Lanes<uint16_t>::type);
        return __builtin_convertvector(words, I);
    }
};

template <>
struct Read<bfloat16> {
    static F of(const bfloat16* at) {
        auto bits = *(const Lanes<uint16_t>::type*)at;
        return (F)(__builtin_convertvector(bits, U) << 16);
    }
};

template <>
struct Read<float16> {
    static F of(const float16* at) {
        auto bits = __builtin_convertvector(*(const Lanes<uint16_t>::type*)at, U);
        // A product by 2^112 moves the exponent's bias, of subnormal numbers too.
        U size = (bits & 0x7fffu) << 13;
        F number = (F)size * 0x1p112f;
        F found = (bits & 0x7c00u) == 0x7c00u ? (F)(size | 0x7f800000u) : number;
        return with_sign_of(found, (F)((bits & 0x8000u) << 16));
    }
};

template <typename T>
struct Write;

template <>
struct Write<float> {
    // Beyond this, what is written is no finite number.
    static constexpr float LIMIT = INFINITY;
    static void to(float* at, F x) { *(Lanes<float>::type*)at = x; }
};

template <>
struct Write<bfloat16> {
    static constexpr float LIMIT = 0x1.ffp127f;
    static void to(bfloat16* at, F x) {
        U bits = (U)x;
        U rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        rounded = x == x ? rounded : U{} + 0x7fc0u;
        *(Lanes<uint16_t>::type*)at = __builtin_convertvector(rounded, Lanes<uint16_t>::type);
    }
};

// A few entries at the end of a tensor, as a whole vector: the others are 0.
template <typename T>
struct Rest {
    T entries[LANES] = {};
    Rest(const T* from, int64_t count) { std::memcpy(entries, from, count * sizeof(T)); }
};
