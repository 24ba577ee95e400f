// The RNTuples of tests/make_files/rntuple.py that are more than a schema, compiled by ROOT's interpreter with the rest.
#pragma once

#include "rntuple_schemas.hpp"

#include <ROOT/RNTupleFillContext.hxx>
#include <ROOT/RNTupleImporter.hxx>
#include <ROOT/RNTupleMerger.hxx>
#include <ROOT/RNTupleParallelWriter.hxx>
#include <ROOT/RPageStorageFile.hxx>

#include <TTree.h>

namespace made {

class Late : public Schema {
public:
    std::int32_t scalar;
    bool flag;
    std::array<std::int16_t, 3> array;
    std::bitset<5> bits;
    std::string text;
    std::vector<double> list;
    Track track;
    std::optional<float> optional;
    std::array<Hit, 2> array_hits;
    std::array<std::vector<float>, 2> array_lists;
    std::variant<std::int32_t, std::string> variant;
    std::vector<std::vector<std::string>> texts;
    std::pair<float, std::string> pair;

    void Set(int i) override
    {
        scalar = i;
        flag = i % 3 == 0;
        array = {std::int16_t(i), 1, 2};
        bits = Bits<5>(i);
        text = Text(i);
        list = List<double>(i);
        track = MakeTrack(i);
        optional.reset();
        if (i % 2)
            optional = i;
        array_hits = {MakeHit(i), MakeHit(i + 1)};
        array_lists = {List<float>(i), List<float>(i + 1)};
        if (i % 2)
            variant = i;
        else
            variant = Text(i);
        texts.assign(i % 3, ListOf(i % 4, Text, i));
        pair = {i, Text(i)};
    }
};

// The model grows in the middle of a cluster, at a cluster border and in the last cluster: each time by all members.
inline void WriteExtended(TDirectory &directory, const std::string &name, const ROOT::RNTupleWriteOptions &options)
{
    Lists lists;
    Late late;
    Fields fields;
    fields.Add(MakeField("list", "std::vector<float>"), &lists.list);
    fields.Add(MakeField("x", "float"), &lists.x);
    auto writer = ROOT::RNTupleWriter::Append(std::move(fields.fModel), name, directory, options);
    auto entry = fields.Bind(writer->GetModel());
    for (int i = 0; i < 90; i++) {
        if (i == 7 || i == 30 || i == 83) {
            auto updater = writer->CreateModelUpdater();
            updater->BeginUpdate();
            for (auto *object : *TClass::GetClass("made::Late")->GetListOfDataMembers()) {
                auto &member = *static_cast<TDataMember *>(object);
                std::string field = "from" + std::to_string(i) + "_" + member.GetName();
                updater->AddField(MakeField(field, TypeOf(member)));
                fields.AddValue(field, reinterpret_cast<char *>(&late) + member.GetOffset());
            }
            std::string count = "from" + std::to_string(i) + "_count";
            updater->AddProjectedField(MakeField(count, "ROOT::RNTupleCardinality<std::uint32_t>"),
                                       [](const std::string &) { return std::string("list"); });
            updater->CommitUpdate();
            entry = fields.Bind(writer->GetModel());
        }
        lists.Set(i);
        late.Set(i);
        writer->Fill(*entry);
        if (i % 30 == 29 && i < 80)
            writer->CommitCluster(i == 59);
    }
}

// Two fill contexts: their clusters come in the order in which they are flushed.
inline void WriteParallel(TDirectory &directory, const std::string &name, const ROOT::RNTupleWriteOptions &options)
{
    Lists lists;
    Fields fields;
    lists.AddTo(fields);
    auto writer = ROOT::RNTupleParallelWriter::Append(std::move(fields.fModel), name, directory, options);
    std::shared_ptr<ROOT::RNTupleFillContext> contexts[] = {writer->CreateFillContext(), writer->CreateFillContext()};
    std::unique_ptr<ROOT::REntry> entries[] = {fields.Bind(contexts[0]->GetModel()), fields.Bind(contexts[1]->GetModel())};
    for (int i = 0; i < 60; i++) {
        lists.Set(i);
        contexts[i % 2]->Fill(*entries[i % 2]);
        if (i % 13 == 12)
            contexts[i % 2]->FlushCluster();
    }
}

// Several RNTuples of one name, from files, as one; their columns must be the same unless `as_union`.
inline void Merge(TDirectory &directory, const std::string &name, const ROOT::RNTupleWriteOptions &options,
                  const std::vector<std::string> &paths, bool as_union)
{
    using namespace ROOT::Experimental::Internal;
    std::vector<std::unique_ptr<ROOT::Internal::RPageSource>> sources;
    std::vector<ROOT::Internal::RPageSource *> pointers;
    for (const auto &path : paths) {
        sources.push_back(ROOT::Internal::RPageSource::Create(name, path));
        sources.back()->Attach(ROOT::Internal::RNTupleSerializer::EDescriptorDeserializeMode::kForWriting);
        pointers.push_back(sources.back().get());
    }
    RNTupleMergeOptions choices;
    choices.fMergingMode = as_union ? ENTupleMergingMode::kUnion : ENTupleMergingMode::kStrict;
    RNTupleMerger merger(std::make_unique<ROOT::Internal::RPageSinkFile>(name, directory, options));
    merger.Merge(pointers, choices).ThrowOnError();
}

inline void Import(TTree &tree, const std::string &path)
{
    auto importer = ROOT::Experimental::RNTupleImporter::Create(&tree, path);
    importer->SetIsQuiet(true);
    importer->Import();
}

inline void SetMaxKeySize(ROOT::RNTupleWriteOptions &options, std::uint64_t size)
{
    ROOT::Internal::RNTupleWriteOptionsManip::SetMaxKeySize(options, size);
}

} // namespace made
