/* Bytes deflated for speed (RFC 1951): by how often each occurs, and runs of one byte by their length. No other strings are
 * looked for. Pictures whose neighbours were taken from each other have hardly any. */

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* Bytes that have a table of codes of their own. */
#define CHUNK (1 << 17)

/* Literals and lengths; the end of a chunk is one of them. */
#define SYMBOLS 286
#define END 256

/* Bits of a code at most: four of them, and what is left of a byte, fit into 64 bits. */
#define MOST_BITS 14

/* The length of codes is itself coded, by at most as many bits. */
#define LENGTHS 19
#define MOST_BITS_OF_LENGTHS 7

/* Bytes of a run at least, and of one match at most. */
#define SHORTEST 8
#define LONGEST 258

/* A run: where it begins, and how long it is. The byte before it is the same. */
typedef struct {
    uint32_t start, length;
} equal;

typedef struct {
    uint16_t bits;
    uint8_t length;
} code;

typedef struct {
    uint8_t *to;
    uint64_t bits;
    unsigned number;
} writer;

/* What one chunk needs, and where chunks are written. */
typedef struct {
    uint32_t counts[4][256];
    uint32_t frequencies[SYMBOLS];
    code codes[SYMBOLS];
    equal runs[CHUNK / SHORTEST + 1];
} work;

static inline void put(writer *to, uint64_t bits, unsigned number) {
    to->bits |= bits << to->number;
    to->number += number;
}

/* Write whole bytes out; fewer than eight bits are left. Eight bytes are written to, whatever is in them. */
static inline void flush(writer *to) {
    memcpy(to->to, &to->bits, 8);
    to->to += to->number >> 3;
    to->bits >>= to->number & ~7u;
    to->number &= 7;
}

static int by_frequency(const void *one, const void *other) {
    const uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return a < b ? -1 : a > b;
}

/* Lengths of Huffman's codes, none longer than `most`: 0 for what does not occur. Two symbols at least must. */
static void lengths_of(const uint32_t *frequencies, int symbols, int most, uint8_t *lengths) {
    uint32_t order[SYMBOLS], weights[SYMBOLS];
    int number = 0;
    memset(lengths, 0, (size_t)symbols);
    for (int i = 0; i < symbols; i++)
        if (frequencies[i]) order[number++] = frequencies[i] << 9 | (uint32_t)i;
    qsort(order, (size_t)number, sizeof(uint32_t), by_frequency);
    /* Moffat and Katajainen, In-place calculation of minimum-redundancy codes: weights become parents, parents depths */
    for (int i = 0; i < number; i++) weights[i] = order[i] >> 9;
    int leaf = 0, root = 0;
    for (int next = 0; next < number - 1; next++) {
        uint32_t sum = 0;
        for (int two = 0; two < 2; two++) {
            if (leaf >= number || (root < next && weights[root] < weights[leaf])) {
                sum += weights[root];
                weights[root++] = (uint32_t)next;
            } else
                sum += weights[leaf++];
        }
        weights[next] = sum;
    }
    int of_length[33] = {0};
    weights[number - 2] = 0;
    for (int i = number - 3; i >= 0; i--) weights[i] = weights[weights[i]] + 1;
    int available = 1, depth = 0;
    for (int inner = number - 2; available > 0; depth++) {
        int used = 0;
        while (inner >= 0 && (int)weights[inner] == depth) {
            used++;
            inner--;
        }
        of_length[depth < 32 ? depth : 32] += available - used;
        available = 2 * used;
    }
    /* codes that are too long become shorter, others longer, until all of them have room */
    uint32_t taken = 0;
    for (int length = most + 1; length <= 32; length++) {
        of_length[most] += of_length[length];
        of_length[length] = 0;
    }
    for (int length = 1; length <= most; length++) taken += (uint32_t)of_length[length] << (most - length);
    while (taken > 1u << most) {
        of_length[most]--;
        int length = most - 1;
        while (!of_length[length]) length--;
        of_length[length]--;
        of_length[length + 1] += 2;
        taken--;
    }
    int next = number;
    for (int length = 1; length <= most; length++)
        for (int i = 0; i < of_length[length]; i++) lengths[order[--next] & 511] = (uint8_t)length;
}

/* Codes of these lengths, their first bit the lowest. */
static void codes_of(const uint8_t *lengths, int symbols, code *codes) {
    unsigned of_length[16] = {0}, next[16] = {0};
    for (int i = 0; i < symbols; i++) of_length[lengths[i]]++;
    of_length[0] = 0;
    for (int length = 1; length < 16; length++) next[length] = (next[length - 1] + of_length[length - 1]) << 1;
    for (int i = 0; i < symbols; i++) {
        unsigned bits = lengths[i] ? next[lengths[i]]++ : 0, turned = 0;
        for (int bit = 0; bit < lengths[i]; bit++) turned |= (bits >> bit & 1) << (lengths[i] - 1 - bit);
        codes[i] = (code){(uint16_t)turned, lengths[i]};
    }
}

/* The symbol of the length of a match, and what follows it. */
static inline unsigned length_symbol(unsigned length, unsigned *extra, unsigned *bits) {
    static const uint16_t bases[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                       31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    unsigned at = 28;
    while (bases[at] > length) at--;
    *extra = length - bases[at];
    *bits = at < 8 || at == 28 ? 0 : (at - 4) / 4;
    return 257 + at;
}

/* Bytes of a run that the next match takes; what is left is long enough for another one. */
static inline unsigned part_of(uint32_t left) {
    return left <= LONGEST ? left : left < LONGEST + 3 ? LONGEST - 3 : LONGEST;
}

static void count_run(work *of, uint32_t left) {
    while (left) {
        unsigned extra, bits;
        const unsigned length = part_of(left);
        of->frequencies[length_symbol(length, &extra, &bits)]++;
        left -= length;
    }
}

/* Find the runs of a chunk, and count what occurs. */
static Py_ssize_t look_at(work *of, const uint8_t *from, uint32_t number) {
    Py_ssize_t runs = 0;
    uint32_t i = 0, end = 0; /* of the last run */
    memset(of->counts, 0, sizeof of->counts);
    memset(of->frequencies, 0, sizeof of->frequencies);
    if (number) of->counts[0][from[i++]]++;
    while (i + 8 <= number) {
        uint64_t eight, before;
        memcpy(&eight, from + i, 8);
        memcpy(&before, from + i - 1, 8);
        if (eight != before) {
            for (int k = 0; k < 8; k++) of->counts[k & 3][(uint8_t)(eight >> 8 * k)]++;
            i += 8;
            continue;
        }
        uint32_t stop = i + 8;
        for (uint64_t further; stop + 8 <= number; stop += 8) {
            memcpy(&further, from + stop, 8);
            if (further != eight) break;
        }
        while (stop < number && from[stop] == from[i]) stop++;
        uint32_t start = i; /* some of those before it were counted already */
        for (; start > end + 1 && from[start - 2] == from[i]; start--) of->counts[0][from[i]]--;
        of->runs[runs++] = (equal){start, stop - start};
        count_run(of, stop - start);
        i = end = stop;
    }
    for (; i < number; i++) of->counts[0][from[i]]++;
    for (int value = 0; value < 256; value++)
        of->frequencies[value] = of->counts[0][value] + of->counts[1][value] + of->counts[2][value] + of->counts[3][value];
    of->frequencies[END] = 1;
    return runs;
}

/* Write the lengths of all codes; runs of zeros by their number. Distances have two codes of one bit. */
static void write_lengths(writer *to, const uint8_t *lengths, int last) {
    static const uint8_t places[LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t all[SYMBOLS + 2], symbols[SYMBOLS + 2], extras[SYMBOLS + 2], of_symbols[LENGTHS];
    uint32_t frequencies[LENGTHS] = {0};
    code codes[LENGTHS];
    int number = 0, given = LENGTHS;
    memcpy(all, lengths, (size_t)last);
    all[last] = all[last + 1] = 1;
    for (int i = 0; i < last + 2; number++) {
        int zeros = 0;
        while (i + zeros < last + 2 && !all[i + zeros] && zeros < 138) zeros++;
        symbols[number] = zeros >= 11 ? 18 : zeros >= 3 ? 17 : all[i];
        extras[number] = (uint8_t)(zeros >= 11 ? zeros - 11 : zeros >= 3 ? zeros - 3 : 0);
        i += zeros >= 3 ? zeros : 1;
        frequencies[symbols[number]]++;
    }
    lengths_of(frequencies, LENGTHS, MOST_BITS_OF_LENGTHS, of_symbols);
    codes_of(of_symbols, LENGTHS, codes);
    while (given > 4 && !of_symbols[places[given - 1]]) given--;
    put(to, (uint64_t)(last - 257) | 1u << 5 | (uint64_t)(given - 4) << 10, 14);
    flush(to);
    for (int i = 0; i < given; i++) {
        put(to, of_symbols[places[i]], 3);
        flush(to);
    }
    for (int i = 0; i < number; i++) {
        put(to, codes[symbols[i]].bits, codes[symbols[i]].length);
        if (symbols[i] > 16) put(to, extras[i], symbols[i] == 18 ? 7 : 3);
        flush(to);
    }
}

static void write_literals(writer *to, const code *codes, const uint8_t *from, uint32_t number) {
    writer out = *to;
    uint32_t i = 0;
    for (; i + 4 <= number; i += 4) { /* two and two, so that fewer wait for one another */
        const code a = codes[from[i]], b = codes[from[i + 1]], c = codes[from[i + 2]], d = codes[from[i + 3]];
        const uint64_t first = (uint64_t)a.bits | (uint64_t)b.bits << a.length;
        const uint64_t second = (uint64_t)c.bits | (uint64_t)d.bits << c.length;
        const unsigned of_first = a.length + b.length;
        put(&out, first | second << of_first, of_first + c.length + d.length);
        flush(&out);
    }
    for (; i < number; i++) {
        put(&out, codes[from[i]].bits, codes[from[i]].length);
        flush(&out);
    }
    *to = out;
}

static void write_run(writer *to, const code *codes, uint32_t left) {
    while (left) {
        unsigned extra, bits;
        const unsigned length = part_of(left);
        const code found = codes[length_symbol(length, &extra, &bits)];
        put(to, found.bits, found.length);
        put(to, extra, bits + 1); /* the distance is 1, whose code is a bit of 0 */
        flush(to);
        left -= length;
    }
}

static void write_chunk(writer *to, work *of, const uint8_t *from, uint32_t number, int is_last) {
    const Py_ssize_t runs = look_at(of, from, number);
    uint8_t lengths[SYMBOLS];
    int last = SYMBOLS;
    if (!number) of->frequencies[0] = 1; /* a code needs a second symbol */
    lengths_of(of->frequencies, SYMBOLS, MOST_BITS, lengths);
    codes_of(lengths, SYMBOLS, of->codes);
    while (last > 257 && !lengths[last - 1]) last--;
    put(to, (uint64_t)(is_last ? 1 : 0) | 2u << 1, 3);
    flush(to);
    write_lengths(to, lengths, last);
    uint32_t at = 0;
    for (Py_ssize_t i = 0; i < runs; i++) {
        write_literals(to, of->codes, from + at, of->runs[i].start - at);
        write_run(to, of->codes, of->runs[i].length);
        at = of->runs[i].start + of->runs[i].length;
    }
    write_literals(to, of->codes, from + at, number - at);
    put(to, of->codes[END].bits, of->codes[END].length);
    flush(to);
}

/* deflate(raw, made) -> length: fill `made` with what `raw` comes to; it needs room for 5/4 of that, and 1,024 bytes more. */
PyObject *deflate(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *of_raw, *of_made;
    if (!PyArg_ParseTuple(arguments, "OO:deflate", &of_raw, &of_made)) return NULL;
    array taken[2] = {0};
    array *raw = &taken[0], *made = &taken[1];
    PyObject *result = NULL;
    work *of = NULL;
    if (take(raw, of_raw, "raw", OF(UINT8), 1, 0) || take(made, of_made, "made", OF(UINT8), 1, 1)) goto done;
    const Py_ssize_t number = length(raw, 0);
    if (number > (Py_ssize_t)1 << 40 || length(made, 0) < number + number / 4 + 1024) {
        PyErr_SetString(PyExc_ValueError, "made: too short");
        goto done;
    }
    of = malloc(sizeof *of);
    if (of == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    writer to = {made->view.buf, 0, 0};
    Py_BEGIN_ALLOW_THREADS
    clear_registers();
    const uint8_t *from = raw->view.buf;
    Py_ssize_t at = 0;
    do {
        const Py_ssize_t left = number - at, part = left < CHUNK ? left : CHUNK;
        write_chunk(&to, of, from + at, (uint32_t)part, part == left);
        at += part;
    } while (at < number);
    to.number += 7;
    flush(&to);
    Py_END_ALLOW_THREADS
    result = PyLong_FromSsize_t((Py_ssize_t)(to.to - (uint8_t *)made->view.buf));
done:
    free(of);
    drop(taken, 2);
    return result;
}
