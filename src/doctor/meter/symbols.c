/* Names of functions, without the loader's lock where that can be.
 *
 * dladdr takes the lock that a thread in a library's constructor holds while it may wait for this one. So the symbol
 * tables of loaded objects are read here; _dl_find_object (glibc 2.35) says without a lock whose an address is. Where
 * there is no such function, names are given at the end of the process only, by dladdr. */
#include "doctor/meter/beside.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* struct dl_find_object, as glibc promises to keep it. */
typedef struct found_object {
    unsigned long long flags;
    void *map_start, *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[8];
} found_object;

static int (*find_object)(void *address, found_object *result);
static char program[256];

void meter_symbols_find(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "_dl_find_object");
    memcpy(&find_object, &symbol, sizeof symbol);
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n < 0 ? 0 : n] = '\0';
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Symbols of an object with DT_GNU_HASH: the chains end with the last one. */
static uint32_t count_by_hash(const uint32_t *table)
{
    uint32_t buckets = table[0], offset = table[1], bloom = table[2], last = 0;
    const uint32_t *bucket = table + 4 + bloom * (sizeof(ElfW(Addr)) / sizeof *table);
    const uint32_t *chain = bucket + buckets;
    for (uint32_t i = 0; i < buckets; i++)
        last = bucket[i] > last ? bucket[i] : last;
    if (last < offset)
        return offset;
    while ((chain[last - offset] & 1) == 0)
        last++;
    return last + 1;
}

/* The function of `object` that has `address`; NULL: none that it tells. */
static const char *function_in(const struct link_map *object, uintptr_t address)
{
    const ElfW(Sym) *symbols = NULL;
    const char *names = NULL;
    const uint32_t *gnu_hash = NULL, *hash = NULL;
    for (const ElfW(Dyn) *d = object->l_ld; d->d_tag != DT_NULL; d++) {
        uintptr_t at = d->d_un.d_ptr;
        if (at < object->l_addr)
            at += object->l_addr; /* the loader could not write to this table */
        if (d->d_tag == DT_SYMTAB)
            symbols = (const void *)at;
        else if (d->d_tag == DT_STRTAB)
            names = (const void *)at;
        else if (d->d_tag == DT_GNU_HASH)
            gnu_hash = (const void *)at;
        else if (d->d_tag == DT_HASH)
            hash = (const void *)at;
    }
    if (symbols == NULL || names == NULL || (gnu_hash == NULL && hash == NULL))
        return NULL;
    uint32_t count = gnu_hash != NULL ? count_by_hash(gnu_hash) : hash[1];
    for (uint32_t i = 0; i < count; i++) {
        const ElfW(Sym) *s = &symbols[i];
        uintptr_t start = object->l_addr + s->st_value;
        unsigned type = s->st_info & 0xf;
        if ((type == STT_FUNC || type == STT_GNU_IFUNC) && s->st_shndx != SHN_UNDEF && address >= start &&
            address < start + s->st_size)
            return names + s->st_name;
    }
    return NULL;
}

/* The same by the file's own table, which also has what is not exported; false: stripped, or none that it tells. */
static bool function_in_file(const char *path, uintptr_t address, char *name, size_t size)
{
    struct stat info;
    int fd = meter_open(path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    size_t nbytes = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? (size_t)info.st_size : 0;
    const char *file = nbytes < sizeof(ElfW(Ehdr)) ? MAP_FAILED : mmap(NULL, nbytes, PROT_READ, MAP_PRIVATE, fd, 0);
    meter_close(fd);
    if (file == MAP_FAILED)
        return false;
    const ElfW(Ehdr) *head = (const void *)file;
    const ElfW(Shdr) *sections = (const void *)(file + head->e_shoff);
    bool is_sound = memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 && head->e_shentsize == sizeof *sections &&
                    head->e_shoff <= nbytes && head->e_shnum <= (nbytes - head->e_shoff) / sizeof *sections;
    bool found = false;
    for (int i = 0; is_sound && !found && i < head->e_shnum; i++) {
        const ElfW(Shdr) *s = &sections[i];
        if (s->sh_type != SHT_SYMTAB || s->sh_link >= head->e_shnum || s->sh_offset > nbytes ||
            s->sh_size > nbytes - s->sh_offset)
            continue;
        const ElfW(Shdr) *strings = &sections[s->sh_link];
        const ElfW(Sym) *symbols = (const void *)(file + s->sh_offset);
        if (strings->sh_offset > nbytes || strings->sh_size > nbytes - strings->sh_offset)
            continue;
        for (size_t k = 0; k < s->sh_size / sizeof *symbols && !found; k++) {
            if ((symbols[k].st_info & 0xf) != STT_FUNC || symbols[k].st_name >= strings->sh_size ||
                address < symbols[k].st_value || address - symbols[k].st_value >= symbols[k].st_size)
                continue;
            size_t most = strings->sh_size - symbols[k].st_name;
            (void)snprintf(name, size, "%.*s", (int)(most < size ? most : size),
                           file + strings->sh_offset + symbols[k].st_name);
            found = true;
        }
    }
    (void)munmap((void *)(uintptr_t)file, nbytes);
    return found;
}

/* One place for each of the last few thousand addresses: the same frames come again and again. */
typedef struct known_symbol {
    uintptr_t address;
    const struct link_map *object;
    char function[112]; /* "": none */
} known_symbol;
static known_symbol known[4096]; /* the sampler's alone */

void meter_symbol_of(uintptr_t address, bool is_end, char *text, size_t size)
{
    found_object found;
    uintptr_t call = address - 1; /* a return address may be the first byte of the next function */
    if (find_object != NULL && find_object((void *)call, &found) == 0) {
        const struct link_map *object = found.link_map;
        known_symbol *place = &known[(address ^ address >> 12) % (sizeof known / sizeof known[0])];
        const char *path = object->l_name[0] == '\0' ? program : object->l_name, *library = base_name(path);
        if (place->address != address || place->object != object) {
            *place = (known_symbol){.address = address, .object = object};
            const char *function;
            if (!function_in_file(path, call - object->l_addr, place->function, sizeof place->function) &&
                (function = function_in(object, call)) != NULL)
                (void)snprintf(place->function, sizeof place->function, "%s", function);
        }
        if (place->function[0] != '\0')
            (void)snprintf(text, size, "%s (%s)", place->function, library);
        else
            (void)snprintf(text, size, "0x%llx (%s)", (unsigned long long)(call - object->l_addr), library);
        return;
    }
    Dl_info info;
    if (find_object == NULL && is_end && dladdr((void *)call, &info) != 0) {
        (void)snprintf(text, size, "%s (%s)", info.dli_sname == NULL ? "?" : info.dli_sname, base_name(info.dli_fname));
        return;
    }
    (void)snprintf(text, size, "0x%llx", (unsigned long long)address);
}
