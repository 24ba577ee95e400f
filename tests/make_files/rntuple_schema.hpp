// What the schemas of tests/make_files/rntuple_schemas.hpp are made of: fields, the writing of them, and values.
//
// A schema is a class: each of its data members becomes a top-level field, made from the type's name, and Set(i) gives
// the members the values of entry i. ROOT's field templates, which take the interpreter a minute, are not needed so.
#pragma once

// The interpreter warns of inline functions of templates that it compiles a moment later.
#pragma clang diagnostic ignored "-Wundefined-inline"

#include "rntuple_classes.hpp"

#include <ROOT/RField.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>

#include <TClass.h>
#include <TDataMember.h>
#include <TDirectory.h>

#include <bitset>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace made {

using Kind = ROOT::ENTupleColumnType;
using Kinds = std::vector<Kind>;
using Choices = std::vector<Kinds>;
using FieldPtr = std::unique_ptr<ROOT::RFieldBase>;

// Which entries make a cluster, which clusters a group: {{3, 4}, {5}} is two groups of two clusters and one.
using Plan = std::vector<std::vector<int>>;

inline FieldPtr MakeField(const std::string &name, const std::string &type)
{
    auto field = ROOT::RFieldBase::Create(name, type).Unwrap();
    field->SetDescription("what " + name + " is");
    return field;
}

// The fields of a model to be, and where their values are.
class Fields {
    std::vector<std::pair<std::string, void *>> fValues;

public:
    std::unique_ptr<ROOT::RNTupleModel> fModel = ROOT::RNTupleModel::CreateBare();

    void Add(FieldPtr field, void *value)
    {
        AddValue(field->GetFieldName(), value);
        fModel->AddField(std::move(field));
    }

    // For a field that is added to the model of a writer.
    void AddValue(const std::string &name, void *value) { fValues.emplace_back(name, value); }

    // One field for each of several column representations: "f32_SplitReal32".
    void AddEach(const std::string &name, const std::string &type, void *value, const Choices &choices)
    {
        for (const Kinds &kinds : choices) {
            auto field = MakeField(name + "_" + ROOT::Internal::RColumnElementBase::GetColumnTypeName(kinds.front()), type);
            field->SetColumnRepresentatives({kinds});
            Add(std::move(field), value);
        }
    }

    void Project(const std::string &name, const std::string &type, const std::map<std::string, std::string> &sources)
    {
        fModel->AddProjectedField(MakeField(name, type), [&](const std::string &from) { return sources.at(from); })
            .ThrowOnError();
    }

    std::unique_ptr<ROOT::REntry> Bind(const ROOT::RNTupleModel &model) const
    {
        auto entry = model.CreateBareEntry();
        for (const auto &[name, value] : fValues)
            entry->BindRawPtr(name, value);
        return entry;
    }
};

// The type of a data member as RFieldBase::Create() wants it: all templates of std with their namespace.
inline std::string TypeOf(const TDataMember &member)
{
    static const std::regex unqualified("\\b(array|atomic|bitset|byte|multimap|multiset|optional|pair|set|string|tuple|"
                                        "unique_ptr|unordered_\\w+|variant|vector|map)\\b");
    std::string bare = std::regex_replace(member.GetFullTypeName(), std::regex("std::"), "");
    return std::regex_replace(bare, unqualified, "std::$1");
}

// What all schemas derive from, first.
class Schema {
public:
    virtual ~Schema() = default;
    virtual void Set(int i) = 0;

    // Adds a field for each data member of the class.
    virtual void AddTo(Fields &fields)
    {
        TClass *type = TClass::GetClass(typeid(*this));
        for (auto *object : *type->GetListOfDataMembers()) {
            auto &member = *static_cast<TDataMember *>(object);
            fields.Add(MakeField(member.GetName(), TypeOf(member)),
                       reinterpret_cast<char *>(this) + member.GetOffset());
        }
    }

    // Called before the first entry of each cluster.
    virtual void BeginCluster(int /* cluster */, const ROOT::RNTupleModel &) {}
};

inline std::unique_ptr<Schema> MakeSchema(const std::string &name)
{
    auto *type = TClass::GetClass(("made::" + name).c_str());
    if (!type)
        throw std::runtime_error("no schema " + name);
    return std::unique_ptr<Schema>(static_cast<Schema *>(type->New()));
}

inline void Write(const std::string &schema_name, TDirectory &directory, const std::string &name,
                  const ROOT::RNTupleWriteOptions &options, const Plan &plan)
{
    auto schema = MakeSchema(schema_name);
    Fields fields;
    schema->AddTo(fields);
    fields.fModel->SetDescription("made as " + schema_name);
    auto writer = ROOT::RNTupleWriter::Append(std::move(fields.fModel), name, directory, options);
    auto entry = fields.Bind(writer->GetModel());
    int i = 0, cluster = 0;
    for (const auto &group : plan) {
        for (std::size_t in_group = 0; in_group < group.size(); in_group++) {
            schema->BeginCluster(cluster++, writer->GetModel());
            for (int end = i + group[in_group]; i < end; i++) {
                schema->Set(i);
                writer->Fill(*entry);
            }
            writer->CommitCluster(in_group + 1 == group.size());
        }
    }
}

// --- values ----------------------------------------------------------------------------------------------------

// The edges of an integer type first, then a walk through its range.
template <typename T>
T Integer(int i)
{
    using Limits = std::numeric_limits<T>;
    const T edges[] = {Limits::min(), Limits::max(), T(0), T(1), T(-1), T(Limits::min() + 1), T(Limits::max() / 2), T(2)};
    if (i % 16 < 8)
        return edges[i % 8];
    return static_cast<T>(static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15u >> (64 - 8 * sizeof(T)));
}

template <typename T>
T Float(int i)
{
    using Limits = std::numeric_limits<T>;
    const T edges[] = {T(0),           -T(0),           Limits::min(),      Limits::max(), Limits::lowest(),
                       Limits::denorm_min(), -Limits::denorm_min(), Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(),
                       Limits::epsilon(),    T(1),            T(-1),              T(65504),      T(65520), T(5.9604645e-8)};
    if (i % 32 < 16)
        return edges[i % 16];
    return static_cast<T>(std::ldexp(std::sin(T(i)), i % 61 - 30));
}

template <typename T>
T InRange(int i, double low, double high)
{
    if (i % 9 < 2)
        return T(i % 9 ? high : low);
    return T(low + (high - low) * ((i * 37) % 101) / 101);
}

inline std::string Text(int i)
{
    if (i % 17 == 5)
        return std::string(300, char('a' + i % 26));
    return std::string("w\u00f6rd-").substr(0, i % 3 ? 7 : 0) + (i % 4 ? std::to_string(i) : "");
}

template <typename T = float>
std::vector<T> List(int i)
{
    std::vector<T> list;
    for (int j = 0; j < i * i % 6; j++)
        list.push_back(T(i * 10 + j));
    return list;
}

inline Hit MakeHit(int i) { return {i / 4.f, -i}; }

// `n` values of `make(i)`, `make(i + 1)` ...
template <typename T>
std::vector<T> ListOf(int n, T (*make)(int), int i)
{
    std::vector<T> list;
    for (int j = 0; j < n; j++)
        list.push_back(make(i + j));
    return list;
}

inline Track MakeTrack(int i) { return {i / 3., ListOf(i % 4, MakeHit, i), Text(i)}; }

template <std::size_t N>
std::bitset<N> Bits(int i)
{
    std::bitset<N> bits;
    for (std::size_t j = 0; j < N; j++)
        bits[j] = (i * 7 + j * j) % 5 < 2;
    return bits;
}

} // namespace made
