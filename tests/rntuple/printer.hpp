// ROOT's own answer for an RNTuple: its fields and their values as JSON, compiled by ROOT's interpreter.
//
// Values are nested arrays: a record is the array of its members, an optional is its value or null, a variant
// [number of the alternative from 1, value] or null. Numbers are exact: floats have 17 digits and always a point or an
// exponent.
#pragma once

#include <ROOT/RError.hxx>
#include <ROOT/RField.hxx>
#include <ROOT/RFieldBase.hxx>
#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleUtil.hxx>
#include <ROOT/RPageStorage.hxx>

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace printer {

using ROOT::ENTupleStructure;
using ROOT::RFieldBase;

// What to do with the value of a field.
enum class Kind { kArray, kNullable, kVariant, kOnly, kBits, kBool, kInt8, kUInt8, kInt16, kUInt16, kInt32, kUInt32, kInt64, kUInt64,
                  kFloat, kDouble, kString };

inline bool StartsWith(const std::string &text, const char *prefix)
{
    return text.rfind(prefix, 0) == 0;
}

inline Kind KindOf(const RFieldBase &field)
{
    static const std::unordered_map<std::string, Kind> leaves = {
        {"bool", Kind::kBool},           {"char", Kind::kUInt8},           {"std::byte", Kind::kUInt8},
        {"std::int8_t", Kind::kInt8},    {"std::uint8_t", Kind::kUInt8},   {"std::int16_t", Kind::kInt16},
        {"std::uint16_t", Kind::kUInt16}, {"std::int32_t", Kind::kInt32},  {"std::uint32_t", Kind::kUInt32},
        {"std::int64_t", Kind::kInt64},  {"std::uint64_t", Kind::kUInt64}, {"float", Kind::kFloat},
        {"double", Kind::kDouble},       {"std::string", Kind::kString},
        {"ROOT::RNTupleCardinality<std::uint32_t>", Kind::kUInt32},
        {"ROOT::RNTupleCardinality<std::uint64_t>", Kind::kUInt64}};
    const std::string &type = field.GetTypeName();
    if (StartsWith(type, "std::bitset<"))
        return Kind::kBits;
    if (StartsWith(type, "std::optional<") || StartsWith(type, "std::unique_ptr<"))
        return Kind::kNullable;
    if (field.GetStructure() == ENTupleStructure::kVariant)
        return Kind::kVariant;
    auto leaf = leaves.find(type);
    if (leaf != leaves.end())
        return leaf->second;
    if (field.GetStructure() == ENTupleStructure::kPlain && field.GetNRepetitions() == 0) {
        if (field.GetConstSubfields().size() != 1)
            throw std::runtime_error("no printer for " + type);
        return Kind::kOnly; // an enum's integer, an atomic's value
    }
    return Kind::kArray;
}

class Json {
    std::string fText;
    std::unordered_map<const RFieldBase *, Kind> fKinds; // of the fields that are alive

    template <typename T>
    static const T &As(const RFieldBase::RValue &value)
    {
        return *static_cast<const T *>(value.GetPtr<void>().get());
    }

    void Float(double value)
    {
        char text[40];
        if (std::isnan(value)) {
            fText += "NaN";
        } else if (std::isinf(value)) {
            fText += value > 0 ? "Infinity" : "-Infinity";
        } else {
            std::snprintf(text, sizeof text, "%.17g", value);
            fText += text;
            if (!std::strpbrk(text, ".e"))
                fText += ".0";
        }
    }

    // ROOT does not take variants apart. In libstdc++ the values share the first bytes, then comes the index of one
    // byte, 255 for no value.
    void Variant(const RFieldBase &field, const RFieldBase::RValue &value)
    {
        auto alternatives = const_cast<RFieldBase &>(field).GetMutableSubfields();
        std::size_t size = 0, alignment = 1;
        for (const auto *alternative : alternatives) {
            size = std::max(size, alternative->GetValueSize());
            alignment = std::max(alignment, alternative->GetAlignment());
        }
        auto object = value.GetPtr<void>();
        std::size_t index = static_cast<const unsigned char *>(object.get())[(size + alignment - 1) / alignment * alignment];
        if (index == 255) {
            Raw("null");
            return;
        }
        Raw(("[" + std::to_string(index + 1) + ",").c_str());
        auto item = alternatives.at(index)->BindValue(object);
        Value(*alternatives[index], item);
        Raw("]");
    }

public:
    const std::string &Text() const { return fText; }
    void CutTo(std::size_t size) { fText.resize(size); }
    void Raw(const char *text) { fText += text; }

    void String(const std::string &value)
    {
        fText += '"';
        for (unsigned char c : value) {
            if (c == '"' || c == '\\' || c < 0x20) {
                char text[8];
                std::snprintf(text, sizeof text, "\\u%04x", c);
                fText += text;
            } else {
                fText += char(c);
            }
        }
        fText += '"';
    }

    void ForgetFields() { fKinds.clear(); }

    void Type(const RFieldBase &field)
    {
        Raw("{\"name\":");
        String(field.GetFieldName());
        Raw(",\"type\":");
        String(field.GetTypeName());
        Raw((",\"repetitions\":" + std::to_string(field.GetNRepetitions()) + ",\"structure\":").c_str());
        Raw((std::to_string(int(field.GetStructure())) + ",\"fields\":[").c_str());
        bool first = true;
        for (const auto *member : field.GetConstSubfields()) {
            Raw(first ? "" : ",");
            first = false;
            Type(*member);
        }
        Raw("]}");
    }

    void Value(const RFieldBase &field, const RFieldBase::RValue &value)
    {
        auto found = fKinds.find(&field);
        if (found == fKinds.end())
            found = fKinds.emplace(&field, KindOf(field)).first;
        const Kind kind = found->second; // the table grows below
        switch (kind) {
        case Kind::kBool: Raw(As<bool>(value) ? "true" : "false"); return;
        case Kind::kInt8: fText += std::to_string(As<std::int8_t>(value)); return;
        case Kind::kUInt8: fText += std::to_string(As<std::uint8_t>(value)); return;
        case Kind::kInt16: fText += std::to_string(As<std::int16_t>(value)); return;
        case Kind::kUInt16: fText += std::to_string(As<std::uint16_t>(value)); return;
        case Kind::kInt32: fText += std::to_string(As<std::int32_t>(value)); return;
        case Kind::kUInt32: fText += std::to_string(As<std::uint32_t>(value)); return;
        case Kind::kInt64: fText += std::to_string(As<std::int64_t>(value)); return;
        case Kind::kUInt64: fText += std::to_string(As<std::uint64_t>(value)); return;
        case Kind::kFloat: Float(As<float>(value)); return;
        case Kind::kDouble: Float(As<double>(value)); return;
        case Kind::kString: String(As<std::string>(value)); return;
        case Kind::kBits: {
            const auto *words = static_cast<const std::uint64_t *>(value.GetPtr<void>().get());
            std::size_t n = std::strtoull(field.GetTypeName().c_str() + sizeof "std::bitset<" - 1, nullptr, 10);
            Raw("[");
            for (std::size_t i = 0; i < n; i++) {
                Raw(i ? "," : "");
                Raw(words[i / 64] >> i % 64 & 1 ? "true" : "false");
            }
            Raw("]");
            return;
        }
        case Kind::kVariant: Variant(field, value); return;
        case Kind::kOnly:
        case Kind::kNullable:
        case Kind::kArray: break;
        }
        auto items = field.SplitValue(value);
        if (kind != Kind::kArray) {
            if (items.empty())
                Raw("null");
            else
                Value(items[0].GetField(), items[0]);
            return;
        }
        Raw("[");
        bool first = true;
        for (const auto &item : items) {
            Raw(first ? "" : ",");
            first = false;
            Value(item.GetField(), item);
        }
        Raw("]");
    }
};

// Which columns there are below a field, as identifiers of what is stored, and their encodings: "SplitReal32 32".
inline void AddColumns(const ROOT::RNTupleDescriptor &table, const ROOT::RFieldDescriptor &field,
                       std::set<ROOT::DescriptorId_t> &columns, std::set<std::string> &encodings)
{
    for (const auto &column : table.GetColumnIterable(field)) {
        columns.insert(column.GetPhysicalId());
        encodings.insert(std::string(ROOT::Internal::RColumnElementBase::GetColumnTypeName(column.GetType())) + " " +
                         std::to_string(column.GetBitsOnStorage()));
    }
    for (const auto &member : table.GetFieldIterable(field))
        AddColumns(table, member, columns, encodings);
}

// {"entries": n, "groups": n, "clusters": [first entries], "encodings": [..], "fields": [{"type": .., "projected": ..,
// "columns": [..], "values": .., "fails": ..}]} for the entries of the ranges [first, last), all where there are none.
// Values are null where ROOT's streamers wrote them, or where ROOT fails to read them.
inline std::string Print(const std::string &path, const std::string &name,
                         const std::vector<std::pair<std::uint64_t, std::uint64_t>> &ranges)
{
    auto source = ROOT::Internal::RPageSource::Create(name, path);
    source->Attach();
    auto shared = source->GetSharedDescriptorGuard();
    const auto &table = shared.GetRef();
    auto wanted = ranges;
    if (wanted.empty())
        wanted.emplace_back(0, table.GetNEntries());
    ROOT::RCreateFieldOptions options;
    options.SetEmulateUnknownTypes(true);
    options.SetReturnInvalidOnError(true);
    Json json;
    json.Raw(("{\"entries\":" + std::to_string(table.GetNEntries()) +
              ",\"groups\":" + std::to_string(table.GetNClusterGroups()) + ",\"clusters\":[").c_str());
    std::set<std::uint64_t> borders;
    for (const auto &cluster : table.GetClusterIterable())
        borders.insert(cluster.GetFirstEntryIndex());
    for (std::uint64_t border : borders)
        json.Raw((std::string(border == *borders.begin() ? "" : ",") + std::to_string(border)).c_str());
    json.Raw("],\"fields\":[");
    std::set<std::string> encodings;
    bool first_field = true;
    for (const auto &about : table.GetTopLevelFields()) {
        json.Raw(first_field ? "{\"projected\":" : ",{\"projected\":");
        first_field = false;
        json.Raw(about.IsProjectedField() ? "true" : "false");
        std::set<ROOT::DescriptorId_t> columns;
        AddColumns(table, about, columns, encodings);
        json.Raw(",\"columns\":[");
        for (auto column : columns)
            json.Raw((std::string(column == *columns.begin() ? "" : ",") + std::to_string(column)).c_str());
        json.Raw("],\"type\":");
        auto created = about.CreateField(table, options);
        bool readable = !(created->GetTraits() & RFieldBase::kTraitInvalidField) &&
                        created->GetStructure() != ENTupleStructure::kStreamer;
        json.Type(*created);
        json.Raw(",\"values\":");
        if (!readable) {
            json.Raw("null,\"fails\":false}");
            continue;
        }
        const std::size_t begin = json.Text().size();
        ROOT::RFieldZero zero;
        ROOT::Internal::SetAllowFieldSubstitutions(zero, true);
        created->SetOnDiskId(about.GetId());
        zero.Attach(std::move(created));
        ROOT::Internal::CallConnectPageSourceOnField(zero, *source);
        auto &field = *zero.GetMutableSubfields()[0];
        auto value = field.CreateValue();
        json.ForgetFields();
        json.Raw("[");
        bool first = true;
        try {
            for (auto [start, stop] : wanted) {
                for (auto entry = start; entry < stop; entry++) {
                    json.Raw(first ? "" : ",");
                    first = false;
                    value.Read(ROOT::NTupleSize_t(entry));
                    json.Value(field, value);
                }
            }
            json.Raw("],\"fails\":false}");
        } catch (const ROOT::RException &) {
            json.CutTo(begin);
            json.Raw("null,\"fails\":true}");
        }
    }
    json.Raw("],\"encodings\":[");
    for (const auto &encoding : encodings) {
        json.Raw(encoding == *encodings.begin() ? "" : ",");
        json.String(encoding);
    }
    json.Raw("]}");
    return json.Text();
}

} // namespace printer
