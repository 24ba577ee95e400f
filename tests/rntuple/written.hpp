// An RNTuple of every kind of field, written by ROOT in small pages and several cluster groups, extended on the way.
#include <ROOT/RField.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>

#include <array>
#include <atomic>
#include <bitset>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace written {

using namespace ROOT;

template <typename T>
void AddAs(RNTupleModel &model, const char *name, ENTupleColumnType type)
{
    auto field = std::make_unique<RField<T>>(name);
    field->SetColumnRepresentatives({{type}});
    model.AddField(std::move(field));
}

template <typename T>
void AddTruncated(RNTupleModel &model, const std::string &name, int bits)
{
    auto field = std::make_unique<RField<T>>(name);
    field->SetTruncated(bits);
    model.AddField(std::move(field));
}

template <typename T>
void AddQuantized(RNTupleModel &model, const std::string &name, int bits)
{
    auto field = std::make_unique<RField<T>>(name);
    field->SetQuantized(-1.5, 2.25, bits);
    model.AddField(std::move(field));
}

std::unique_ptr<RNTupleWriter> Recreate(std::unique_ptr<RNTupleModel> model, const char *path, int page_nbytes,
                                        int compression)
{
    RNTupleWriteOptions options;
    options.SetCompression(compression);
    options.SetInitialUnzippedPageSize(page_nbytes);
    options.SetMaxUnzippedPageSize(page_nbytes);
    return RNTupleWriter::Recreate(std::move(model), "n", path, options);
}

// Reals of every legal width, and the elements that are not split by themselves.
void WriteEncodings(const char *path, int page_nbytes, int compression)
{
    auto model = RNTupleModel::Create();
    for (int bits = 10; bits <= 31; bits++)
        AddTruncated<float>(*model, "trunc" + std::to_string(bits), bits);
    for (int bits = 1; bits <= 32; bits++)
        AddQuantized<float>(*model, "quant" + std::to_string(bits), bits);
    AddTruncated<double>(*model, "dtrunc17", 17);
    AddQuantized<double>(*model, "dquant9", 9);
    AddAs<float>(*model, "real16", ENTupleColumnType::kReal16);
    AddAs<double>(*model, "dreal16", ENTupleColumnType::kReal16);
    AddAs<double>(*model, "real32", ENTupleColumnType::kReal32);
    AddAs<double>(*model, "splitreal32", ENTupleColumnType::kSplitReal32);
    std::vector<std::string> fields;
    for (const auto &name : model->GetFieldNames())
        fields.push_back(name);
    auto writer = Recreate(std::move(model), path, page_nbytes, compression);
    auto entry = writer->CreateEntry();
    for (int n = 0; n < 300; n++) {
        double value = -1.5 + 3.75 * (n % 61) / 60.;
        for (const auto &field : fields) {
            bool wide = field[0] == 'd' || field.find("real32") != std::string::npos;
            if (wide)
                *entry->GetPtr<double>(field) = value;
            else
                *entry->GetPtr<float>(field) = static_cast<float>(value);
        }
        writer->Fill(*entry);
    }
}

void WriteTypes(const char *path, int page_nbytes, int compression)
{
    auto model = RNTupleModel::Create();
    auto flag = model->MakeField<bool>("flag");
    auto nested = model->MakeField<std::vector<std::vector<std::int32_t>>>("nested");
    auto option = model->MakeField<std::optional<float>>("option");
    auto options_ = model->MakeField<std::vector<std::optional<std::string>>>("options");
    auto pointer = model->MakeField<std::unique_ptr<double>>("pointer");
    auto variant = model->MakeField<std::variant<std::int32_t, std::string, std::vector<double>>>("variant");
    auto variants = model->MakeField<std::vector<std::variant<float, std::uint8_t>>>("variants");
    auto text = model->MakeField<std::string>("text");
    auto bits = model->MakeField<std::bitset<33>>("bits");
    auto pair = model->MakeField<std::pair<std::int32_t, std::vector<float>>>("pair");
    auto tuple = model->MakeField<std::tuple<std::int32_t, float, std::string>>("tuple");
    auto vectors = model->MakeField<std::array<std::vector<std::int32_t>, 3>>("vectors");
    auto matrices = model->MakeField<std::vector<std::array<std::array<double, 2>, 2>>>("matrices");
    auto byte = model->MakeField<std::byte>("byte");
    auto letter = model->MakeField<char>("letter");
    auto atomic = model->MakeField<std::atomic<std::int32_t>>("atomic");
    auto third = model->MakeField<double>("third");
    AddAs<std::int64_t>(*model, "plain64", ENTupleColumnType::kInt64);
    AddAs<std::vector<std::int16_t>>(*model, "index32", ENTupleColumnType::kIndex32);
    auto writer = Recreate(std::move(model), path, page_nbytes, compression);
    auto updater = writer->CreateModelUpdater();
    std::shared_ptr<float> late;
    std::shared_ptr<std::vector<float>> late_list;
    std::shared_ptr<std::string> late_text;
    std::shared_ptr<std::array<std::int32_t, 3>> late_array;
    std::shared_ptr<std::variant<float, std::int32_t>> late_variant;
    for (int n = 0; n < 60; n++) {
        if (n == 25) {
            updater->BeginUpdate();
            late = updater->MakeField<float>("late");
            late_list = updater->MakeField<std::vector<float>>("late_list");
            late_text = updater->MakeField<std::string>("late_text");
            late_array = updater->MakeField<std::array<std::int32_t, 3>>("late_array");
            late_variant = updater->MakeField<std::variant<float, std::int32_t>>("late_variant");
            updater->CommitUpdate();
        }
        if (n >= 25) {
            *late = n;
            late_list->assign(n % 3, n * 0.5f);
            *late_text = std::string(n % 4, 'z');
            *late_array = {n, n + 1, n + 2};
            if (n % 2)
                *late_variant = n * 0.5f;
            else
                *late_variant = n;
        }
        *flag = n % 3 == 0;
        nested->clear();
        for (int k = 0; k < n % 4; k++) {
            nested->emplace_back();
            for (int l = 0; l < (n + k) % 3; l++)
                nested->back().push_back(n * 100 + k * 10 - l * 1000);
        }
        option->reset();
        if (n % 2)
            *option = n * 1.5f;
        options_->clear();
        for (int k = 0; k < n % 3; k++)
            options_->push_back((n + k) % 2 ? std::optional<std::string>("s" + std::to_string(n)) : std::nullopt);
        pointer->reset(n % 5 ? new double(n * 2.) : nullptr);
        if (n % 3 == 0)
            *variant = n;
        else if (n % 3 == 1)
            *variant = "v" + std::to_string(n);
        else
            *variant = std::vector<double>(n % 5, n * 0.5);
        variants->clear();
        for (int k = 0; k < n % 4; k++) {
            if (n * k % 3)
                variants->push_back(n * 1.f);
            else
                variants->push_back(static_cast<std::uint8_t>(k));
        }
        *text = std::string(n % 7, 'a' + n % 26);
        *bits = std::bitset<33>(0x123456789ull * n);
        pair->first = n;
        pair->second.assign(n % 3, n);
        *tuple = {n, -n, "t" + std::to_string(n)};
        for (int k = 0; k < 3; k++)
            (*vectors)[k].assign((n + k) % 3, n + k);
        matrices->clear();
        for (int k = 0; k < n % 3; k++)
            matrices->push_back({{{1. * n, 2.}, {3., 4. * k}}});
        *byte = std::byte(n);
        *letter = 'A' + n % 26;
        atomic->store(-n);
        *third = n / 3.;
        auto &entry = writer->GetModel().GetDefaultEntry();
        *entry.GetPtr<std::int64_t>("plain64") = n % 2 ? -(1ll << n) : 1ll << n;
        entry.GetPtr<std::vector<std::int16_t>>("index32")->assign(n % 3, n - 30);
        writer->Fill();
        if (n % 11 == 10)
            writer->CommitCluster(n % 22 == 21);
        if (n == 20)
            writer->CommitCluster(true);
    }
}

// What ROOT reads of the reals of WriteEncodings: a line for each field, exact.
std::string ReadReals(const char *path)
{
    auto reader = RNTupleReader::Open("n", path);
    std::string lines;
    char text[64];
    for (const auto &field : reader->GetDescriptor().GetTopLevelFields()) {
        const auto &name = field.GetFieldName();
        lines += name;
        for (std::uint64_t i = 0; i < reader->GetNEntries(); i++) {
            double value = field.GetTypeName() == "double" ? reader->GetView<double>(name)(i)
                                                           : reader->GetView<float>(name)(i);
            std::snprintf(text, sizeof text, " %a", value);
            lines += text;
        }
        lines += "\n";
    }
    return lines;
}

} // namespace written
