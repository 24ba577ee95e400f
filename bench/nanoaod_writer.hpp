// Bootstraps a NanoAOD-like TTree from a few template events; driven by make_nanoaod.py, compiled by ROOT's interpreter.
//
// Every output event is one template event with all of its columns together, so counters and index columns stay
// consistent. Floating-point values are smeared: without that, a thousandfold copy of 200 events would compress to nothing.
// Every column has its own stream of random numbers.

#include <TBranch.h>
#include <TFile.h>
#include <TLeaf.h>
#include <TLeafI.h>
#include <TMemFile.h>
#include <TObjArray.h>
#include <TTree.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace nanoaod {

// splitmix64: one addition and one mix per number, and any event's stream can be entered directly.
class RandomStream {
public:
   RandomStream(std::uint64_t seed, std::uint64_t stream) : fState(Mix(seed) ^ Mix(~stream)) {}
   std::uint64_t Next() { return Mix(fState += 0x9e3779b97f4a7c15ULL); }
   // Uniform in [-1, 1).
   double Symmetric() { return static_cast<double>(Next() >> 11) * 0x1p-52 - 1.0; }

private:
   static std::uint64_t Mix(std::uint64_t z)
   {
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
      return z ^ (z >> 31);
   }
   std::uint64_t fState;
};

template <typename Float>
struct FloatBits;
template <>
struct FloatBits<float> {
   using Word = std::uint32_t;
   static constexpr int kMantissa = 23;
};
template <>
struct FloatBits<double> {
   using Word = std::uint64_t;
   static constexpr int kMantissa = 52;
};

struct Column {
   std::string name;
   std::string title;
   std::string leafList;
   char code = 0;          // ROOT's leaf type letter
   int width = 0;          // bytes per value
   int perItem = 1;        // values per entry, or per item of a jagged column
   int counter = -1;       // index of the counter column, -1 when not jagged
   bool dropped = false;   // a private counter that a shared one replaces
   std::vector<char> values;
   std::vector<std::int64_t> offsets; // into `values`, in bytes, one more than there are template events

   // Floating-point columns only.
   int zeroBits = 0;                // trailing mantissa bits that are zero in every value
   double lowest = 0, highest = 0;  // of the finite values; smearing never leaves this range
   std::vector<std::uint8_t> fixed; // per value: 1 = a sentinel or a constant, kept as it is

   std::vector<char> buffer; // what the output branch points to
   TBranch *branch = nullptr;

   bool IsFloat() const { return code == 'F' || code == 'D'; }
};

struct Usage {
   std::int64_t raw = 0;
   std::int64_t compressed = 0;
};

template <typename Float>
void StudyFloats(Column &column)
{
   using Word = typename FloatBits<Float>::Word;
   const std::size_t n = column.values.size() / sizeof(Float);
   const auto *value = reinterpret_cast<const Float *>(column.values.data());
   std::unordered_map<Word, std::size_t> occurrences;
   Word used = 0;
   column.lowest = std::numeric_limits<double>::infinity();
   column.highest = -column.lowest;
   for (std::size_t i = 0; i < n; i++) {
      Word bits;
      std::memcpy(&bits, value + i, sizeof bits);
      occurrences[bits]++;
      if (!std::isfinite(value[i]))
         continue;
      used |= bits;
      column.lowest = std::min(column.lowest, static_cast<double>(value[i]));
      column.highest = std::max(column.highest, static_cast<double>(value[i]));
   }
   while (column.zeroBits < FloatBits<Float>::kMantissa && !((used >> column.zeroBits) & 1))
      column.zeroBits++;
   // A value that makes up 2 % of its column is a constant of the production (a mass, a working point), not a measurement.
   const std::size_t constant = std::max<std::size_t>(3, n / 50);
   column.fixed.resize(n);
   for (std::size_t i = 0; i < n; i++) {
      Word bits;
      std::memcpy(&bits, value + i, sizeof bits);
      column.fixed[i] =
         !std::isfinite(value[i]) || value[i] == std::trunc(value[i]) || occurrences[bits] >= constant;
   }
}

template <typename Float>
void SmearFloats(const Column &column, std::int64_t begin, std::int64_t end, double width, RandomStream &random,
                 char *output)
{
   using Word = typename FloatBits<Float>::Word;
   const auto *value = reinterpret_cast<const Float *>(column.values.data());
   const std::int64_t first = begin / static_cast<std::int64_t>(sizeof(Float));
   const std::int64_t last = end / static_cast<std::int64_t>(sizeof(Float));
   const Word half = column.zeroBits ? Word{1} << (column.zeroBits - 1) : 0;
   const Word keep = ~((Word{1} << column.zeroBits) - 1);
   for (std::int64_t i = first; i < last; i++, output += sizeof(Float)) {
      Float result = value[i];
      if (!column.fixed[static_cast<std::size_t>(i)]) {
         const auto smeared = static_cast<Float>(value[i] * (1.0 + width * random.Symmetric()));
         Word bits;
         std::memcpy(&bits, &smeared, sizeof bits);
         bits = (bits + half) & keep;
         Float rounded;
         std::memcpy(&rounded, &bits, sizeof bits);
         if (rounded >= column.lowest && rounded <= column.highest)
            result = rounded;
      }
      std::memcpy(output, &result, sizeof result);
   }
}

inline int WidthOf(char code)
{
   switch (code) {
   case 'O': case 'B': case 'b': return 1;
   case 'S': case 's': return 2;
   case 'I': case 'i': case 'F': return 4;
   case 'L': case 'l': case 'D': return 8;
   default: return 0;
   }
}

// The leaf's type letter, or 0 when this maker does not write its kind.
inline char CodeOf(const TLeaf &leaf)
{
   static const std::map<std::string, std::array<char, 2>> codes{
      {"TLeafO", {'O', 'O'}}, {"TLeafB", {'B', 'b'}}, {"TLeafS", {'S', 's'}}, {"TLeafI", {'I', 'i'}},
      {"TLeafL", {'L', 'l'}}, {"TLeafF", {'F', 'F'}}, {"TLeafD", {'D', 'D'}}};
   const auto found = codes.find(leaf.ClassName());
   return found == codes.end() ? 0 : found->second[leaf.IsUnsigned() ? 1 : 0];
}

inline std::int64_t ReadInteger(const char *bytes, char code)
{
   const auto as = [bytes](auto value) {
      std::memcpy(&value, bytes, sizeof value);
      return static_cast<std::int64_t>(value);
   };
   switch (code) {
   case 'B': return as(std::int8_t{});
   case 'b': case 'O': return as(std::uint8_t{});
   case 'S': return as(std::int16_t{});
   case 's': return as(std::uint16_t{});
   case 'I': return as(std::int32_t{});
   case 'i': return as(std::uint32_t{});
   case 'L': case 'l': return as(std::int64_t{});
   default: throw std::runtime_error(std::string("a column of type ") + code + " is not an integer");
   }
}

inline void WriteInteger(char *bytes, char code, std::int64_t value)
{
   // Little-endian, like every platform ROOT ships for: the low bytes are the narrower integer.
   std::memcpy(bytes, &value, static_cast<std::size_t>(WidthOf(code)));
}

class Template {
public:
   Template(const std::string &path, const std::string &treeName, std::int64_t maxEvents)
   {
      std::unique_ptr<TFile> file(TFile::Open(path.c_str()));
      if (!file || file->IsZombie())
         throw std::runtime_error(path + ": not a ROOT file");
      auto *tree = file->Get<TTree>(treeName.c_str());
      if (!tree)
         throw std::runtime_error(path + ": no TTree named " + treeName);
      fEvents = std::min<std::int64_t>(tree->GetEntries(), maxEvents);
      if (fEvents <= 0)
         throw std::runtime_error(path + ": " + treeName + " has no entries to draw from");
      for (auto *object : *tree->GetListOfBranches())
         Describe(static_cast<TBranch &>(*object));
      OrderCounters();
      for (auto &column : columns)
         Load(*tree, column);
      tree->ResetBranchAddresses();
   }

   // One counter per collection, as CMS writes it, where the template has one private counter per jagged column.
   void ShareCounters()
   {
      for (auto &column : columns) {
         if (column.counter < 0 || !IsPrivateCounter(column.counter))
            continue;
         for (auto cut = column.name.rfind('_'); cut != std::string::npos && cut > 0;
              cut = column.name.rfind('_', cut - 1)) {
            const int shared = IndexOf("n" + column.name.substr(0, cut));
            if (shared < 0 || IsPrivateCounter(shared) || !SameCounts(columns[shared], columns[column.counter]))
               continue;
            columns[column.counter].dropped = true;
            column.counter = shared;
            column.leafList = LeafList(column);
            break;
         }
      }
      // Counters were moved in front of their columns; columns themselves only ever refer to earlier ones.
      std::vector<Column> kept;
      std::vector<int> newIndex(columns.size(), -1);
      const auto keep = [&](int index) {
         if (newIndex[index] >= 0 || columns[index].dropped)
            return;
         newIndex[index] = static_cast<int>(kept.size());
         kept.push_back(std::move(columns[index]));
      };
      for (int i = 0; i < static_cast<int>(newIndex.size()); i++) {
         if (newIndex[i] >= 0 || columns[i].dropped)
            continue;
         if (columns[i].counter >= 0)
            keep(columns[i].counter);
         keep(i);
      }
      for (auto &column : kept)
         if (column.counter >= 0)
            column.counter = newIndex[column.counter];
      columns = std::move(kept);
   }

   std::int64_t GetEvents() const { return fEvents; }

   std::vector<Column> columns;
   std::vector<std::string> unsupported;

private:
   std::string LeafList(const Column &column) const
   {
      std::string dimensions;
      if (column.counter >= 0)
         dimensions = "[" + columns[column.counter].name + "]";
      if (column.perItem > 1)
         dimensions += "[" + std::to_string(column.perItem) + "]";
      return column.name + dimensions + "/" + column.code;
   }

   int IndexOf(const std::string &name) const
   {
      for (std::size_t i = 0; i < columns.size(); i++)
         if (columns[i].name == name)
            return static_cast<int>(i);
      return -1;
   }

   bool IsPrivateCounter(int index) const
   {
      const int counted = IndexOf(columns[index].name.substr(1));
      return counted >= 0 && fCounterName.count(columns[counted].name) &&
             fCounterName.at(columns[counted].name) == columns[index].name;
   }

   bool SameCounts(const Column &left, const Column &right) const
   {
      if (left.counter >= 0 || left.perItem != 1 || left.IsFloat())
         return false;
      for (std::int64_t event = 0; event < fEvents; event++)
         if (ReadInteger(&left.values[left.offsets[event]], left.code) !=
             ReadInteger(&right.values[right.offsets[event]], right.code))
            return false;
      return true;
   }

   void Describe(TBranch &branch)
   {
      Column column;
      column.name = branch.GetName();
      column.title = branch.GetTitle();
      auto *leaves = branch.GetListOfLeaves();
      auto *leaf = leaves->GetEntriesFast() == 1 ? static_cast<TLeaf *>(leaves->At(0)) : nullptr;
      if (!leaf || branch.IsA() != TBranch::Class() || !(column.code = CodeOf(*leaf)) ||
          column.name != leaf->GetName()) {
         unsupported.push_back(column.name);
         return;
      }
      column.width = WidthOf(column.code);
      column.perItem = leaf->GetLenStatic();
      if (leaf->GetLeafCount())
         fCounterName[column.name] = leaf->GetLeafCount()->GetName();
      columns.push_back(std::move(column));
   }

   // ROOT wants a counter's branch to exist before the columns it counts.
   void OrderCounters()
   {
      std::vector<Column> ordered;
      std::map<std::string, int> placed;
      const auto place = [&](const Column &column) {
         if (placed.emplace(column.name, static_cast<int>(ordered.size())).second)
            ordered.push_back(column); // nothing is loaded yet, so a copy is cheap
      };
      for (const auto &column : columns) {
         const auto counter = fCounterName.find(column.name);
         if (counter != fCounterName.end()) {
            const int source = IndexOf(counter->second);
            if (source < 0)
               throw std::runtime_error(column.name + ": its counter " + counter->second + " is not readable");
            place(columns[source]);
         }
         place(column);
      }
      columns = std::move(ordered);
      for (auto &column : columns) {
         const auto counter = fCounterName.find(column.name);
         if (counter != fCounterName.end())
            column.counter = placed.at(counter->second);
         column.leafList = LeafList(column);
      }
   }

   void Load(TTree &tree, Column &column)
   {
      std::int64_t most = 1;
      if (column.counter >= 0) {
         const Column &counter = columns[column.counter];
         for (std::int64_t event = 0; event < fEvents; event++)
            most = std::max(most, ReadInteger(&counter.values[counter.offsets[event]], counter.code));
         // Other writers leave the maximum at 0, and ROOT would cut every entry to it.
         TLeafI largest;
         largest.SetMaximum(static_cast<Int_t>(most));
         tree.GetLeaf(column.name.c_str())->GetLeafCount()->IncludeRange(&largest);
      }
      column.buffer.assign(static_cast<std::size_t>(most * column.perItem * column.width), 0);
      TBranch *branch = tree.GetBranch(column.name.c_str());
      branch->SetAddress(column.buffer.data());
      column.offsets.assign(1, 0);
      for (std::int64_t event = 0; event < fEvents; event++) {
         if (branch->GetEntry(event) < 0)
            throw std::runtime_error(column.name + ": entry " + std::to_string(event) + " cannot be read");
         std::int64_t items = 1;
         if (column.counter >= 0) {
            const Column &counter = columns[column.counter];
            items = ReadInteger(&counter.values[counter.offsets[event]], counter.code);
         }
         const auto bytes = static_cast<std::size_t>(items * column.perItem * column.width);
         column.values.insert(column.values.end(), column.buffer.begin(), column.buffer.begin() + bytes);
         column.offsets.push_back(static_cast<std::int64_t>(column.values.size()));
      }
      if (column.code == 'F')
         StudyFloats<float>(column);
      else if (column.code == 'D')
         StudyFloats<double>(column);
   }

   std::int64_t fEvents = 0;
   std::map<std::string, std::string> fCounterName;
};

// Fills a tree from a template; `file` decides where it goes and how it is compressed.
class Writer {
public:
   Writer(Template &source, TFile &file, const std::string &treeName, std::int64_t autoFlush, std::uint64_t seed,
          double smearing)
      : fTemplate(source), fFile(file), fDraw(seed, 0), fSmearing(smearing)
   {
      fTree = new TTree(treeName.c_str(), treeName.c_str(), 99, &fFile); // owned by the file
      fTree->SetAutoFlush(autoFlush);
      fTree->SetAutoSave(0);
      for (auto &column : fTemplate.columns) {
         column.branch = fTree->Branch(column.name.c_str(), column.buffer.data(), column.leafList.c_str());
         if (!column.branch)
            throw std::runtime_error(column.name + ": ROOT does not take the leaf list " + column.leafList);
         column.branch->SetTitle(column.title.c_str());
         fStreams.emplace_back(seed, fStreams.size() + 1);
      }
   }

   // `drawn`: random template events, smeared; otherwise the template's own events in order, as they are.
   void Fill(std::int64_t nEvents, bool drawn)
   {
      const auto available = static_cast<std::uint64_t>(fTemplate.GetEvents());
      std::vector<std::int64_t> entries;
      for (const std::int64_t end = fNext + nEvents; fNext < end; fNext += static_cast<std::int64_t>(entries.size())) {
         const std::int64_t cluster = fTree->GetAutoFlush();
         const bool byColumn = cluster > 0 && fNext >= cluster;
         std::int64_t count = 1;
         if (byColumn)
            count = std::min({end - fNext, cluster - fNext % cluster, kBlock});
         entries.clear();
         for (std::int64_t i = 0; i < count; i++) {
            const auto number = static_cast<std::uint64_t>(fNext + i);
            entries.push_back(static_cast<std::int64_t>((drawn ? fDraw.Next() : number) % available));
         }
         if (byColumn)
            FillByColumn(entries, drawn, (fNext + count) % cluster == 0);
         else
            FillEvent(entries.front(), drawn);
      }
   }

   void Finish()
   {
      if (fTree->Write() <= 0)
         throw std::runtime_error("the tree could not be written");
   }

   // Bytes of the columns' data by leaf type, without the baskets' headers; complete after Finish().
   std::map<std::string, Usage> GetUsage() const
   {
      std::map<std::string, Usage> usage;
      for (const auto &column : fTemplate.columns) {
         auto &entry = usage[std::string(1, column.code)];
         const std::int64_t headers = HeaderBytes(*column.branch);
         entry.raw += column.branch->GetTotBytes() - headers;
         entry.compressed += column.branch->GetZipBytes() - headers;
      }
      return usage;
   }

private:
   static constexpr std::int64_t kEventsPerLuminosityBlock = 1000;
   static constexpr std::int64_t kBlock = 256; // events that are filled a column at a time

   std::int64_t HeaderBytes(TBranch &branch) const
   {
      // A key's fixed fields (a basket's offsets are always 8 bytes wide), three strings and what a basket adds.
      constexpr std::int64_t kKey = 34, kBasket = 19;
      const auto text = [](const char *string) {
         const auto length = static_cast<std::int64_t>(std::strlen(string));
         return length + (length < 255 ? 1 : 5);
      };
      return branch.GetWriteBasket() *
             (kKey + kBasket + text("TBasket") + text(branch.GetName()) + text(fTree->GetName()));
   }

   // Until the first cluster is written, ROOT decides from the sizes it sees how large clusters and baskets will be.
   void FillEvent(std::int64_t entry, bool drawn)
   {
      for (std::size_t i = 0; i < fStreams.size(); i++)
         SetValues(fTemplate.columns[i], entry, fNext, drawn, fStreams[i]);
      if (fTree->Fill() < 0)
         throw std::runtime_error("writing failed at event " + std::to_string(fNext));
   }

   // What TTree::Fill does for each event, a column at a time: thousands of branches do not fit into the processor's
   // cache, so that event by event most of the time goes into waiting for memory.
   void FillByColumn(const std::vector<std::int64_t> &entries, bool drawn, bool endsCluster)
   {
      for (std::size_t i = 0; i < fStreams.size(); i++) {
         Column &column = fTemplate.columns[i];
         // The size of a jagged entry comes from the counter's buffer, not from what its branch has stored.
         Column *counter = column.counter < 0 ? nullptr : &fTemplate.columns[column.counter];
         std::int64_t number = fNext;
         for (const auto entry : entries) {
            if (counter)
               CopyValues(*counter, entry);
            SetValues(column, entry, number++, drawn, fStreams[i]);
            if (column.branch->Fill() < 0)
               throw std::runtime_error(column.name + ": writing failed at event " + std::to_string(number - 1));
         }
      }
      fTree->SetEntries(fNext + static_cast<std::int64_t>(entries.size()));
      if (endsCluster && fTree->FlushBaskets(false) < 0)
         throw std::runtime_error("writing failed at event " + std::to_string(fNext));
   }

   static void CopyValues(Column &column, std::int64_t entry)
   {
      const auto begin = column.offsets[entry], end = column.offsets[entry + 1];
      std::memcpy(column.buffer.data(), column.values.data() + begin, static_cast<std::size_t>(end - begin));
   }

   void SetValues(Column &column, std::int64_t entry, std::int64_t number, bool drawn, RandomStream &random) const
   {
      const auto begin = column.offsets[entry], end = column.offsets[entry + 1];
      const bool plain = column.counter < 0 && column.perItem == 1;
      if (drawn && plain && column.name == "event")
         WriteInteger(column.buffer.data(), column.code, number + 1);
      else if (drawn && plain && column.name == "luminosityBlock")
         WriteInteger(column.buffer.data(), column.code, number / kEventsPerLuminosityBlock + 1);
      else if (drawn && column.code == 'F')
         SmearFloats<float>(column, begin, end, fSmearing, random, column.buffer.data());
      else if (drawn && column.code == 'D')
         SmearFloats<double>(column, begin, end, fSmearing, random, column.buffer.data());
      else
         CopyValues(column, entry);
   }

   Template &fTemplate;
   TFile &fFile;
   TTree *fTree = nullptr;
   RandomStream fDraw;                 // which template event
   std::vector<RandomStream> fStreams; // one per column, so that the order of filling does not matter
   double fSmearing;
   std::int64_t fNext = 0;
};

} // namespace nanoaod
