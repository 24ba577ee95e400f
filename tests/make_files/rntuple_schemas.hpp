// The schemas of the RNTuples of tests/make_files/rntuple.py.
#pragma once

#include "rntuple_schema.hpp"

#include <ROOT/RVec.hxx>

#include <TNamed.h>

#include <array>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace made {

class Encodings : public Schema {
    bool fBool;
    std::byte fByte;
    char fChar;
    std::int8_t fI8;
    std::uint8_t fU8;
    std::int16_t fI16;
    std::uint16_t fU16;
    std::int32_t fI32;
    std::uint32_t fU32;
    std::int64_t fI64;
    std::uint64_t fU64;
    float fF32;
    double fF64;
    std::string fText;
    std::vector<float> fList;
    std::variant<float, std::int64_t> fEither;

public:
    void AddTo(Fields &fields) override
    {
        fields.AddEach("bool", "bool", &fBool, {{Kind::kBit}});
        fields.AddEach("byte", "std::byte", &fByte, {{Kind::kByte}});
        fields.AddEach("char", "char", &fChar, {{Kind::kChar}});
        fields.AddEach("i8", "std::int8_t", &fI8, {{Kind::kInt8}});
        fields.AddEach("u8", "std::uint8_t", &fU8, {{Kind::kUInt8}});
        fields.AddEach("i16", "std::int16_t", &fI16, {{Kind::kInt16}, {Kind::kSplitInt16}});
        fields.AddEach("u16", "std::uint16_t", &fU16, {{Kind::kUInt16}, {Kind::kSplitUInt16}});
        fields.AddEach("i32", "std::int32_t", &fI32, {{Kind::kInt32}, {Kind::kSplitInt32}});
        fields.AddEach("u32", "std::uint32_t", &fU32, {{Kind::kUInt32}, {Kind::kSplitUInt32}});
        fields.AddEach("i64", "std::int64_t", &fI64, {{Kind::kInt64}, {Kind::kSplitInt64}});
        fields.AddEach("u64", "std::uint64_t", &fU64, {{Kind::kUInt64}, {Kind::kSplitUInt64}});
        const Choices floats = {{Kind::kReal32}, {Kind::kSplitReal32}, {Kind::kReal16}};
        fields.AddEach("f32", "float", &fF32, floats);
        fields.AddEach("f64", "double", &fF64, floats);
        fields.AddEach("f64", "double", &fF64, {{Kind::kReal64}, {Kind::kSplitReal64}});
        fields.AddEach("text", "std::string", &fText,
                       {{Kind::kIndex32, Kind::kChar},
                        {Kind::kSplitIndex32, Kind::kChar},
                        {Kind::kIndex64, Kind::kChar},
                        {Kind::kSplitIndex64, Kind::kChar}});
        fields.AddEach("list", "std::vector<float>", &fList,
                       {{Kind::kIndex32}, {Kind::kSplitIndex32}, {Kind::kIndex64}, {Kind::kSplitIndex64}});
        fields.Add(MakeField("either", "std::variant<float,std::int64_t>"), &fEither);
    }

    void Set(int i) override
    {
        fBool = i % 3 == 0 || i % 7 == 1;
        fByte = std::byte(i * 29);
        fChar = char(i * 5 % 95 + 32);
        fI8 = Integer<std::int8_t>(i);
        fU8 = Integer<std::uint8_t>(i);
        fI16 = Integer<std::int16_t>(i);
        fU16 = Integer<std::uint16_t>(i);
        fI32 = Integer<std::int32_t>(i);
        fU32 = Integer<std::uint32_t>(i);
        fI64 = Integer<std::int64_t>(i);
        fU64 = Integer<std::uint64_t>(i);
        fF32 = Float<float>(i);
        fF64 = Float<double>(i);
        fText = Text(i);
        fList = List<float>(i);
        if (i % 3)
            fEither = i / 2.f;
        else
            fEither = Integer<std::int64_t>(i);
    }
};

// Floats of fewer bits, from 10 to 31 truncated and from 1 to 32 quantized, in float and in double.
class ReducedFloats : public Schema {
    static constexpr std::size_t kMaxBits = 32;
    float fF32, fRanged32[kMaxBits];
    double fF64, fRanged64[kMaxBits];

    static double Low(std::size_t bits) { return bits % 2 ? -3.5 : 1e-3; }
    static double High(std::size_t bits) { return bits % 3 ? 12.25 : 1e6; }

    template <typename T>
    static void Add(Fields &fields, const std::string &name, T *value, T *ranged)
    {
        for (std::size_t bits = 10; bits < kMaxBits; bits++) {
            auto field = std::make_unique<ROOT::RField<T>>(name + "_trunc" + std::to_string(bits));
            field->SetTruncated(bits);
            fields.Add(std::move(field), value);
        }
        for (std::size_t bits = 1; bits <= kMaxBits; bits++) {
            auto field = std::make_unique<ROOT::RField<T>>(name + "_quant" + std::to_string(bits));
            field->SetQuantized(bits, std::pair<T, T>(Low(bits), High(bits)));
            fields.Add(std::move(field), &ranged[bits - 1]);
        }
    }

public:
    void AddTo(Fields &fields) override
    {
        Add(fields, "f32", &fF32, fRanged32);
        Add(fields, "f64", &fF64, fRanged64);
    }

    void Set(int i) override
    {
        fF32 = Float<float>(i);
        fF64 = Float<double>(i);
        for (std::size_t bits = 1; bits <= kMaxBits; bits++) {
            fRanged32[bits - 1] = InRange<float>(i, Low(bits), High(bits));
            fRanged64[bits - 1] = InRange<double>(i, Low(bits), High(bits));
        }
    }
};

inline Mixed MakeMixed(int i)
{
    switch (i % 5) {
    case 0: return i % 2 == 0;
    case 1: return Text(i);
    case 2: return List<float>(i);
    case 3: return MakeTrack(i);
    default: return std::array<std::int16_t, 2>{std::int16_t(i), 3};
    }
}

inline std::vector<std::vector<std::int32_t>> MakeDouble(int i) { return ListOf(i % 4, List<std::int32_t>, i); }

// A few columns of each kind, for the ways in which they are cut into pages, clusters and groups.
class Lists : public Schema {
public:
    float x;
    bool flag;
    std::string text;
    std::vector<float> list;
    std::vector<bool> bools;
    std::vector<std::string> texts;
    std::vector<Track> tracks;
    Triple triple;
    std::optional<double> maybe;
    std::vector<std::optional<double>> maybes;
    std::array<std::int16_t, 3> fixed;
    Mixed either;
    std::vector<Mixed> eithers;

    void Set(int i) override
    {
        x = Float<float>(i);
        flag = i % 5 < 2;
        text = Text(i);
        list = List<float>(i);
        bools.resize(i % 11);
        for (std::size_t j = 0; j < bools.size(); j++)
            bools[j] = (i + j) % 3 == 0;
        texts = ListOf(i % 4, Text, i);
        tracks = ListOf(i % 3, MakeTrack, i);
        triple = ListOf(i % 3, MakeDouble, i);
        maybe.reset();
        if (i % 3)
            maybe = i / 3.;
        maybes.assign(i % 5, std::nullopt);
        for (std::size_t j = i % 2; j < maybes.size(); j += 2)
            maybes[j] = i;
        fixed = {std::int16_t(i), std::int16_t(-i), 7};
        either = MakeMixed(i);
        eithers = ListOf(i % 4, MakeMixed, i);
    }
};

// Nothing in any entry.
class Nothing : public Schema {
public:
    std::string text;
    std::vector<float> list;
    std::vector<std::string> texts;
    std::vector<Track> tracks;
    Triple triple;
    std::optional<double> maybe;
    std::array<std::vector<float>, 2> fixed;
    std::unique_ptr<Track> owner;
    std::vector<Mixed> eithers;

    void Set(int) override {}
};

class Sequences : public Schema {
public:
    std::vector<double> vector;
    ROOT::RVec<float> rvec;
    ROOT::RVec<bool> rvec_bool;
    ROOT::RVec<ROOT::RVec<std::int32_t>> rvec_rvec;
    ROOT::RVec<Hit> rvec_hits;
    Triple triple;
    std::vector<std::vector<std::vector<std::string>>> triple_text;
    std::vector<Track> tracks;
    std::array<float, 4> array;
    std::array<bool, 5> array_bool;
    std::array<std::array<std::int16_t, 2>, 3> array_array;
    std::array<std::string, 2> array_text;
    std::array<std::vector<float>, 2> array_vector;
    std::array<Hit, 2> array_hits;
    std::vector<std::array<std::int32_t, 3>> vector_array;
    std::vector<std::array<std::vector<std::uint8_t>, 2>> vector_array_vector;
    std::array<double, 1> array_of_one;
    std::vector<std::byte> bytes;
    std::vector<char> chars;
    std::vector<std::uint8_t> small;

    void Set(int i) override
    {
        vector = List<double>(i);
        auto floats = List<float>(i);
        rvec.assign(floats.begin(), floats.end());
        rvec_bool.resize(i % 5);
        for (std::size_t j = 0; j < rvec_bool.size(); j++)
            rvec_bool[j] = (i + j) % 2;
        rvec_rvec.resize(i % 4);
        for (std::size_t j = 0; j < rvec_rvec.size(); j++)
            rvec_rvec[j].assign((i + j) % 3, i);
        auto hits = ListOf(i % 3, MakeHit, i);
        rvec_hits.assign(hits.begin(), hits.end());
        triple = ListOf(i % 3, MakeDouble, i);
        triple_text.assign(i % 3, {});
        for (std::size_t j = 0; j < triple_text.size(); j++)
            triple_text[j].assign((i + j) % 3, ListOf(int(i + j) % 4, Text, i));
        tracks = ListOf(i % 4, MakeTrack, i);
        array = {i + 0.f, i + 1.f, i + 2.f, i + 3.f};
        array_bool = {i % 2 == 0, true, false, i % 3 == 0, i % 5 == 0};
        array_array = {{{Integer<std::int16_t>(i), 1}, {2, 3}, {4, std::int16_t(i)}}};
        array_text = {Text(i), Text(i + 1)};
        array_vector = {List<float>(i), List<float>(i + 1)};
        array_hits = {MakeHit(i), MakeHit(i + 1)};
        vector_array.assign(i % 4, {i, -i, Integer<std::int32_t>(i)});
        vector_array_vector.assign(i % 3, {List<std::uint8_t>(i), List<std::uint8_t>(i + 1)});
        array_of_one = {i / 7.};
        bytes.assign(i % 6, std::byte(i));
        chars.assign(i % 6, char('a' + i % 26));
        small = ListOf(i % 7, Integer<std::uint8_t>, i);
    }
};

// Sets and maps of types for which ROOT comes with dictionaries.
class Associations : public Schema {
public:
    std::pair<float, std::int32_t> pair;
    std::pair<std::string, std::vector<float>> pair_nested;
    std::tuple<bool, std::int64_t, std::string> tuple;
    std::tuple<double> tuple_of_one;
    std::vector<std::pair<std::int32_t, std::string>> pairs;
    std::set<std::int32_t> set;
    std::unordered_set<long> unordered_set_of_one;
    std::multiset<float> multiset;
    std::set<std::string> set_text;
    std::map<std::string, float> map;
    std::map<std::string, std::string> map_text;
    std::multimap<long, std::int32_t> multimap;
    std::unordered_map<std::string, double> unordered_map_of_one;
    std::unordered_multiset<std::string> unordered_multiset_of_one;
    std::vector<std::map<std::string, float>> maps;
    std::array<std::set<std::int32_t>, 2> array_sets;

    void Set(int i) override
    {
        pair = {i / 2.f, -i};
        pair_nested = {Text(i), List<float>(i)};
        tuple = {i % 2, Integer<std::int64_t>(i), Text(i)};
        tuple_of_one = {i / 3.};
        pairs.clear();
        set.clear();
        unordered_set_of_one = {i};
        multiset = {1.f, float(i), 1.f};
        set_text = {Text(i), Text(i + 1)};
        map.clear();
        map_text.clear();
        array_sets[1].clear();
        for (int j = 0; j < i % 4; j++) {
            pairs.emplace_back(j, Text(i + j));
            set.insert(i * j);
            map[Text(i + j)] = j / 2.f;
            map_text[Text(j)] = Text(i + j);
            array_sets[1].insert(-i * j);
        }
        multimap = {{1, i % 2}, {1, i % 3}};
        unordered_map_of_one = {{Text(i), i / 7.}};
        unordered_multiset_of_one = {Text(i)};
        maps.assign(i % 3, map);
        array_sets[0] = set;
    }
};

class Nullables : public Schema {
public:
    std::optional<float> optional;
    std::optional<bool> optional_bool;
    std::optional<std::string> optional_text;
    std::optional<std::vector<float>> optional_list;
    std::optional<Hit> optional_hit;
    std::optional<Track> optional_track;
    std::optional<std::array<std::int32_t, 2>> optional_array;
    std::optional<std::optional<std::int32_t>> optional_optional;
    std::vector<std::optional<double>> optionals;
    std::vector<std::optional<Hit>> optional_hits;
    std::vector<std::optional<std::string>> optional_texts;
    std::array<std::optional<std::int16_t>, 2> array_optional;
    std::optional<double> all_none;
    std::optional<double> all_some;
    std::unique_ptr<std::int64_t> unique;
    std::unique_ptr<Track> unique_track;
    std::vector<std::unique_ptr<std::string>> uniques;

    void Set(int i) override
    {
        optional.reset();
        optional_bool.reset();
        optional_text.reset();
        optional_list.reset();
        optional_hit.reset();
        optional_track.reset();
        optional_array.reset();
        optional_optional.reset();
        array_optional[0].reset();
        unique.reset();
        unique_track.reset();
        if (i % 3) {
            optional = i / 2.f;
            optional_bool = i % 2 == 0;
            optional_text = Text(i);
            optional_list = List<float>(i);
            optional_optional.emplace();
            if (i % 3 == 2)
                optional_optional->emplace(i);
            unique = std::make_unique<std::int64_t>(i);
            unique_track = std::make_unique<Track>(MakeTrack(i));
        }
        if (i % 2) {
            optional_hit = MakeHit(i);
            optional_track = MakeTrack(i);
            optional_array = {i, -i};
            array_optional[0] = i;
        }
        array_optional[1] = -i;
        all_some = i;
        optionals.assign(i % 5, std::nullopt);
        optional_hits.assign(i % 4, std::nullopt);
        optional_texts.assign(i % 4, std::nullopt);
        uniques.clear();
        uniques.resize(i % 4);
        for (int j = 0; j < i % 4; j++) {
            if ((i + j) % 3 == 0)
                continue;
            optionals[j] = j / 3.;
            optional_hits[j] = MakeHit(i + j);
            optional_texts[j] = Text(i + j);
            uniques[j] = std::make_unique<std::string>(Text(i - j));
        }
    }
};

struct Thrower {
    operator int() const { throw 1; }
};

class Variants : public Schema {
public:
    Numbers numbers;
    std::variant<double> of_one;
    Mixed mixed;
    std::vector<Mixed> in_list;
    std::vector<std::vector<Numbers>> in_lists;
    std::array<Numbers, 2> in_array;
    std::optional<Numbers> in_optional;
    std::variant<std::optional<float>, std::string> of_optional;
    std::variant<Numbers, std::vector<Numbers>> nested;
    std::variant<std::int32_t, std::int32_t> same_types;
    Numbers never_second;
    Numbers valueless;

    static Numbers Number(int i)
    {
        if (i % 3)
            return i;
        return i / 2.f;
    }

    static std::vector<Numbers> NumberList(int i) { return ListOf(i % 4, Number, i); }

    void Set(int i) override
    {
        numbers = Number(i);
        of_one = i / 3.;
        mixed = MakeMixed(i);
        in_list = ListOf(i % 4, MakeMixed, i);
        in_lists = ListOf(i % 3, NumberList, i);
        in_array = {Number(i), Number(i + 1)};
        in_optional.reset();
        if (i % 2)
            in_optional = Number(i);
        if (i % 3 == 0)
            of_optional = Text(i);
        else if (i % 3 == 1)
            of_optional = std::optional<float>(i);
        else
            of_optional = std::optional<float>();
        if (i % 2)
            nested = Number(i);
        else
            nested = NumberList(i);
        if (i % 2)
            same_types.emplace<1>(i);
        else
            same_types.emplace<0>(-i);
        never_second = i;
        valueless = i / 2.f;
        if (i % 4 == 1) {
            try { // nothing is in a variant whose new value could not be made
                valueless.emplace<0>(Thrower());
            } catch (int) {
            }
        }
    }
};

inline Shape MakeShape(int i)
{
    Shape shape;
    for (int j = 0; j < 6; j++)
        shape.grid[j / 3][j % 3] = i + j;
    shape.point[1] = i / 2.f;
    shape.good = i % 2;
    shape.letter = char('a' + i % 26);
    shape.reduced = i / 3.;
    shape.lists[1] = List<std::int16_t>(i);
    return shape;
}

inline Leaf MakeLeaf(int i)
{
    Leaf leaf;
    leaf.Root::id = i;
    leaf.weight = i / 2.f;
    leaf.Middle::id = Integer<std::int64_t>(i);
    leaf.values = List<float>(i);
    leaf.left = std::uint8_t(i);
    leaf.id = std::int16_t(-i);
    leaf.hit = MakeHit(i);
    return leaf;
}

class Classes : public Schema {
public:
    Hit hit;
    Track track;
    Empty empty;
    std::vector<Empty> empties;
    Shape shape;
    std::vector<Shape> shapes;
    Middle middle;
    Leaf leaf;
    std::vector<Leaf> leaves;
    OnlyBase only_base;
    Double32_t double32;

    void Set(int i) override
    {
        hit = MakeHit(i);
        track = MakeTrack(i);
        empties.resize(i % 3);
        shape = MakeShape(i);
        shapes = ListOf(i % 3, MakeShape, i);
        leaf = MakeLeaf(i);
        middle = leaf;
        leaves = ListOf(i % 3, MakeLeaf, i);
        only_base.x = i;
        double32 = Float<double>(i);
    }
};

class Wrapped : public Schema {
public:
    std::bitset<8> bits8;
    std::bitset<33> bits33;
    std::bitset<64> bits64;
    std::bitset<130> bits130;
    std::vector<std::bitset<9>> bits_list;
    std::array<std::bitset<3>, 2> bits_array;
    Color color;
    Small small;
    Wide wide;
    std::vector<Color> colors;
    std::atomic<std::int32_t> atomic;
    std::atomic<bool> atomic_bool;
    std::byte byte;
    char letter;
    bool boolean;

    void Set(int i) override
    {
        bits8 = Bits<8>(i);
        bits33 = Bits<33>(i);
        bits64 = Bits<64>(i);
        bits130 = Bits<130>(i);
        bits_list = ListOf(i % 4, Bits<9>, i);
        bits_array = {Bits<3>(i), Bits<3>(i + 1)};
        color = i % 3 == 0 ? kRed : i % 3 == 1 ? kGreen : kBlue;
        small = i % 2 ? Small::kZero : Small::kMany;
        wide = i % 2 ? Wide::kLow : Wide::kHigh;
        colors.assign(i % 4, color);
        atomic = Integer<std::int32_t>(i);
        atomic_bool = i % 3 == 0;
        byte = std::byte(i * 3);
        letter = char('!' + i % 90);
        boolean = i % 3 == 1;
    }
};

// Records and collections without a type, and projections of them under other names and types.
class Untyped : public Schema {
    struct Item {
        float pt;
        std::int32_t charge;
    };
    Item fRecord;
    std::vector<char> fItems; // an untyped collection has the layout of a vector of characters
    std::vector<std::string> fTexts;

    static std::vector<FieldPtr> Members()
    {
        std::vector<FieldPtr> members;
        members.push_back(MakeField("pt", "float"));
        members.push_back(MakeField("charge", "std::int32_t"));
        return members;
    }

    static FieldPtr Collection(const std::string &name)
    {
        return ROOT::RVectorField::CreateUntyped(name, std::make_unique<ROOT::RRecordField>("_0", Members()));
    }

public:
    void AddTo(Fields &fields) override
    {
        fields.Add(std::make_unique<ROOT::RRecordField>("record", Members()), &fRecord);
        fields.Add(Collection("muons"), &fItems);
        fields.Add(Collection("_collection0"), &fItems); // all of it is seen through projections
        fields.Add(MakeField("texts", "std::vector<std::string>"), &fTexts);
        fields.Project("Jet_pt", "ROOT::RVec<float>", {{"Jet_pt", "_collection0"}, {"Jet_pt._0", "_collection0._0.pt"}});
        fields.Project("Jet_charge", "std::vector<std::int32_t>",
                       {{"Jet_charge", "_collection0"}, {"Jet_charge._0", "_collection0._0.charge"}});
        fields.Project("nJet", "ROOT::RNTupleCardinality<std::uint32_t>", {{"nJet", "_collection0"}});
        fields.Project("nJet64", "ROOT::RNTupleCardinality<std::uint64_t>", {{"nJet64", "_collection0"}});
        fields.Project("Muon_pt", "std::vector<float>", {{"Muon_pt", "muons"}, {"Muon_pt._0", "muons._0.pt"}});
        fields.Project("n_texts", "ROOT::RNTupleCardinality<std::uint32_t>", {{"n_texts", "texts"}});
        fields.Project("words", "std::vector<std::string>", {{"words", "texts"}, {"words._0", "texts._0"}});
        fields.Project("record_pt", "float", {{"record_pt", "record.pt"}});
    }

    void Set(int i) override
    {
        fRecord = {i / 2.f, -i};
        fItems.resize(sizeof(Item) * (i % 5));
        for (int j = 0; j < i % 5; j++)
            reinterpret_cast<Item *>(fItems.data())[j] = {i + j / 8.f, j - i};
        fTexts = ListOf(i % 3, Text, i);
    }
};

// An object between two numbers, as ROOT's streamers write it.
class Streamed : public Schema {
    std::int32_t fBefore;
    TNamed fNamed;
    float fAfter;

public:
    void AddTo(Fields &fields) override
    {
        fields.Add(MakeField("before", "std::int32_t"), &fBefore);
        fields.Add(std::make_unique<ROOT::RStreamerField>("named", "TNamed"), &fNamed);
        fields.Add(MakeField("after", "float"), &fAfter);
    }

    void Set(int i) override
    {
        fBefore = i;
        fNamed.SetNameTitle(Text(i).c_str(), "title");
        fAfter = i / 3.f;
    }
};

// Pages that are equal, within a column and between columns.
class Constants : public Schema {
public:
    std::int32_t zero = 0;
    float one = 1;
    float also_one = 1;
    bool yes = true;
    std::vector<std::int16_t> same_list = {1, 2, 3};
    std::int64_t counting = 0;

    void Set(int i) override { counting = i; }
};

// A header and pages of some kilobytes that do not compress well.
class ManyColumns : public Schema {
    std::vector<std::uint64_t> fNoise;
    std::string fText;
    std::array<std::int32_t, 40> fColumns;

public:
    void AddTo(Fields &fields) override
    {
        fields.Add(MakeField("noise", "std::vector<std::uint64_t>"), &fNoise);
        fields.Add(MakeField("text", "std::string"), &fText);
        for (std::size_t j = 0; j < fColumns.size(); j++)
            fields.Add(MakeField("column_" + std::to_string(j * 0x9E3779B97F4A7C15u), "std::int32_t"), &fColumns[j]);
    }

    void Set(int i) override
    {
        fNoise = ListOf(100, Integer<std::uint64_t>, i * 1600 + 8);
        for (std::size_t j = 0; j < fNoise.size(); j++)
            fNoise[j] = (i * 100 + j + 1) * 0x9E3779B97F4A7C15u;
        fText = std::string(50 + i, char('a' + i % 26));
        for (std::size_t j = 0; j < fColumns.size(); j++)
            fColumns[j] = int(j) * i;
    }
};

// Each cluster goes to another of the representations that a field has; the columns of the others are suppressed.
class Representations : public Schema {
    float fF32;
    double fF64;
    std::int32_t fI32;
    std::string fText;
    std::vector<std::int16_t> fList;
    std::int32_t fPlain;

public:
    void AddTo(Fields &fields) override
    {
        auto add = [&](const char *name, const char *type, void *value, const Choices &choices) {
            auto field = MakeField(name, type);
            field->SetColumnRepresentatives(choices);
            fields.Add(std::move(field), value);
        };
        add("f32", "float", &fF32, {{Kind::kReal32}, {Kind::kReal16}, {Kind::kSplitReal32}});
        add("f64", "double", &fF64, {{Kind::kSplitReal64}, {Kind::kReal32}, {Kind::kReal64}});
        add("i32", "std::int32_t", &fI32, {{Kind::kSplitInt32}, {Kind::kInt32}});
        add("text", "std::string", &fText,
            {{Kind::kIndex32, Kind::kChar}, {Kind::kSplitIndex64, Kind::kChar}, {Kind::kIndex64, Kind::kChar}});
        auto list = MakeField("list", "std::vector<std::int16_t>");
        list->SetColumnRepresentatives({{Kind::kSplitIndex32}, {Kind::kIndex64}, {Kind::kSplitIndex64}});
        list->GetMutableSubfields()[0]->SetColumnRepresentatives({{Kind::kInt16}, {Kind::kSplitInt16}});
        fields.Add(std::move(list), &fList);
        fields.Add(MakeField("plain", "std::int32_t"), &fPlain);
    }

    void Set(int i) override
    {
        fF32 = i / 4.f;
        fF64 = i / 3.;
        fI32 = Integer<std::int32_t>(i);
        fText = Text(i);
        fList = List<std::int16_t>(i);
        fPlain = i;
    }

    void BeginCluster(int cluster, const ROOT::RNTupleModel &model) override
    {
        for (const char *name : {"f32", "f64", "i32", "text", "list", "list._0"}) {
            auto &field = const_cast<ROOT::RFieldBase &>(model.GetConstField(name));
            ROOT::Internal::RFieldRepresentationModifier::SetPrimaryColumnRepresentation(
                field, cluster % field.GetColumnRepresentatives().size());
        }
    }
};

} // namespace made
