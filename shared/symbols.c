/* See symbols.h. A file may be anything by now: nothing in it is believed before it is checked. */
#include "shared/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/macros.h"

#define MAPPINGS_MAX 256 /* executable ones: the program, its libraries and modules */
#define DEBUG_FOLDER "/usr/lib/debug/.build-id/"
#define BUILD_ID_BYTES_MAX 64 /* one has 20 */

struct function {
	uint64_t begin, end; /* as in the file's symbol table */
	const char *name;    /* in the file */
};

/* NULL: it cannot be read. */
struct file {
	const uint8_t *data;
	size_t bytes;
};

struct image {
	struct file file, debug; /* the mapped one; where its stripped symbols are */
	bool is_tried;
	struct function *functions; /* by their begin */
	size_t count;
};

struct mapping {
	uint64_t begin, end, offset;
	struct str path;
	struct image image;
};

struct symbols {
	unsigned count;
	struct mapping mappings[MAPPINGS_MAX];
};

/* --- the map --- */

/* "7f00-7f80 r-xp 0001000 08:01 123   /usr/lib/libc.so.6": only what can be executed. */
static bool mapping_read(struct str line, struct mapping *mapping)
{
	char text[512], permissions[8] = "";
	int path = 0;
	ptrdiff_t name = str_index(line, '/');

	(void)snprintf(text, sizeof(text), STR_FORMAT, STR_ARGS(line));
	if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %n", &mapping->begin,
		    &mapping->end, permissions, &mapping->offset, &path) != 4)
		return false;
	if (name < 0)
		name = str_index(line, '['); /* the kernel's [vdso] */
	if (!strchr(permissions, 'x') || name < 0)
		return false;
	mapping->path = str_trim(str_skip(line, (size_t)name));
	return true;
}

struct symbols *symbols_new(struct str maps)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	struct str line;

	while (symbols && maps.len && str_split(&maps, '\n', &line)) {
		struct mapping mapping = {};

		if (symbols->count < MAPPINGS_MAX && mapping_read(line, &mapping))
			symbols->mappings[symbols->count++] = mapping;
	}
	return symbols;
}

static void file_close(const struct file *file)
{
	if (file->data)
		(void)munmap((void *)file->data, file->bytes);
}

void symbols_free(struct symbols *symbols)
{
	for (unsigned i = 0; symbols && i < symbols->count; i++) {
		struct image *image = &symbols->mappings[i].image;

		free(image->functions);
		file_close(&image->file);
		file_close(&image->debug);
	}
	free(symbols);
}

static const struct mapping *mapping_find(const struct symbols *symbols, uint64_t address)
{
	for (unsigned i = 0; i < symbols->count; i++)
		if (address >= symbols->mappings[i].begin && address < symbols->mappings[i].end)
			return &symbols->mappings[i];
	return NULL;
}

static struct str file_of(const struct mapping *mapping)
{
	struct str path = mapping->path;

	for (ptrdiff_t slash; (slash = str_index(path, '/')) >= 0;)
		path = str_skip(path, (size_t)slash + 1);
	return path;
}

struct str symbols_file(const struct symbols *symbols, uint64_t address)
{
	const struct mapping *mapping = mapping_find(symbols, address);

	return mapping ? file_of(mapping) : STR("");
}

/* --- the files --- */

/* `count` things of `each` bytes at an offset; NULL: not all of that is in the file. */
static const void *part(const struct file *file, uint64_t offset, uint64_t count, size_t each)
{
	if (offset > file->bytes || count > (file->bytes - offset) / each)
		return NULL;
	return file->data + offset;
}

static const Elf64_Ehdr *header_of(const struct file *file)
{
	const Elf64_Ehdr *header = part(file, 0, 1, sizeof(*header));
	bool is_elf = header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
		      header->e_ident[EI_CLASS] == ELFCLASS64 &&
		      header->e_shentsize == sizeof(Elf64_Shdr) &&
		      header->e_phentsize == sizeof(Elf64_Phdr);

	return is_elf ? header : NULL;
}

static void function_add(struct image *image, const Elf64_Sym *symbol, struct str names)
{
	bool is_function = ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_size;

	if (!is_function || symbol->st_name >= names.len)
		return;
	image->functions[image->count++] = (struct function){ .begin = symbol->st_value,
		.end = symbol->st_value + symbol->st_size,
		.name = names.data + symbol->st_name };
}

/* The symbols of one table. Their names end within theirs, because it ends with a NUL. */
static void table_read(struct image *image, const struct file *file, const Elf64_Shdr *sections,
	unsigned count, const Elf64_Shdr *table)
{
	uint64_t symbol_count = table->sh_size / sizeof(Elf64_Sym);
	const Elf64_Sym *all = part(file, table->sh_offset, symbol_count, sizeof(*all));
	const Elf64_Shdr *strings = table->sh_link < count ? &sections[table->sh_link] : NULL;
	const char *names = strings ? part(file, strings->sh_offset, strings->sh_size, 1) : NULL;
	struct function *grown;

	if (!all || !names || !strings->sh_size || names[strings->sh_size - 1])
		return;
	grown = reallocarray(image->functions, image->count + symbol_count + 1, sizeof(*grown));
	if (!grown)
		return;
	image->functions = grown;
	for (uint64_t i = 0; i < symbol_count; i++)
		function_add(image, &all[i], str_of(names, strings->sh_size));
}

static int by_begin(const void *a, const void *b)
{
	const struct function *left = a, *right = b;

	return (left->begin > right->begin) - (left->begin < right->begin);
}

/* Is the full table there, too? */
static bool tables_read(struct image *image, const struct file *file)
{
	const Elf64_Ehdr *header = header_of(file);
	const Elf64_Shdr *sections =
		header ? part(file, header->e_shoff, header->e_shnum, sizeof(*sections)) : NULL;
	bool is_full = false;

	for (unsigned i = 0; sections && i < header->e_shnum; i++) {
		const Elf64_Shdr *section = &sections[i];

		if (section->sh_type == SHT_SYMTAB || section->sh_type == SHT_DYNSYM)
			table_read(image, file, sections, header->e_shnum, section);
		is_full |= section->sh_type == SHT_SYMTAB;
	}
	return is_full;
}

static struct file file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct file file = {};
	struct stat stat;
	void *data;

	if (fd < 0)
		return file;
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size > 0) {
		data = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data != MAP_FAILED)
			file = (struct file){ .data = data, .bytes = (size_t)stat.st_size };
	}
	close(fd);
	return file;
}

/* One of the notes of a segment: its description, when it is the build id. */
static struct str build_id_in(struct str notes)
{
	while (notes.len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name, all;

		memcpy(&note, notes.data, sizeof(note));
		name = sizeof(note) + (((uint64_t)note.n_namesz + 3) & ~UINT64_C(3));
		all = name + (((uint64_t)note.n_descsz + 3) & ~UINT64_C(3));
		if (all > notes.len)
			break;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
			memcmp(notes.data + sizeof(note), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0)
			return str_of(notes.data + name, note.n_descsz);
		notes = str_skip(notes, (size_t)all);
	}
	return (struct str){};
}

static struct str build_id_of(const struct file *file)
{
	const Elf64_Ehdr *header = header_of(file);
	const Elf64_Phdr *segments =
		header ? part(file, header->e_phoff, header->e_phnum, sizeof(*segments)) : NULL;
	struct str id = {};

	for (unsigned i = 0; segments && i < header->e_phnum && !id.len; i++) {
		const char *notes = segments[i].p_type == PT_NOTE ? part(file, segments[i].p_offset,
									    segments[i].p_filesz, 1)
								  : NULL;

		if (notes)
			id = build_id_in(str_of(notes, (size_t)segments[i].p_filesz));
	}
	return id;
}

/* Where packages of symbols (-dbgsym, -debuginfo) put them. */
static struct file debug_open(struct str build_id)
{
	char path[sizeof(DEBUG_FOLDER) + 2 * BUILD_ID_BYTES_MAX + sizeof("/.debug")];
	int used = snprintf(path, sizeof(path), "%s", DEBUG_FOLDER);

	if (!build_id.len || build_id.len > BUILD_ID_BYTES_MAX)
		return (struct file){};
	for (size_t i = 0; i < build_id.len; i++)
		used += snprintf(path + used, sizeof(path) - (size_t)used, "%02x%s",
			(unsigned char)build_id.data[i], i == 0 ? "/" : "");
	(void)snprintf(path + used, sizeof(path) - (size_t)used, ".debug");
	return file_open(path);
}

static void image_open(struct image *image, struct str path)
{
	char text[4096];

	image->is_tried = true;
	(void)snprintf(text, sizeof(text), STR_FORMAT, STR_ARGS(path));
	image->file = file_open(text);
	if (!tables_read(image, &image->file)) {
		image->debug = debug_open(build_id_of(&image->file));
		(void)tables_read(image, &image->debug);
	}
	if (image->count)
		qsort(image->functions, image->count, sizeof(struct function), by_begin);
}

/* --- looking up --- */

/* What the symbol tables call an address: where its segment was meant to be. */
static uint64_t meant_address(const struct mapping *mapping, uint64_t address)
{
	const struct file *file = &mapping->image.file;
	uint64_t offset = address - mapping->begin + mapping->offset;
	const Elf64_Ehdr *header = header_of(file);
	const Elf64_Phdr *segments =
		header ? part(file, header->e_phoff, header->e_phnum, sizeof(*segments)) : NULL;

	for (unsigned i = 0; segments && i < header->e_phnum; i++) {
		const Elf64_Phdr *segment = &segments[i];

		if (segment->p_type == PT_LOAD && offset >= segment->p_offset &&
			offset - segment->p_offset < segment->p_filesz)
			return offset - segment->p_offset + segment->p_vaddr;
	}
	return offset;
}

static const struct function *function_find(const struct image *image, uint64_t address)
{
	size_t low = 0, high = image->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->functions[middle].begin <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* Aliases begin at one place: some of them may be empty of code. */
	return low && address < image->functions[low - 1].end ? &image->functions[low - 1] : NULL;
}

const char *symbols_name(struct symbols *symbols, uint64_t address, char name[static SYMBOL_BYTES])
{
	struct mapping *mapping = (struct mapping *)mapping_find(symbols, address);
	const struct function *function;
	uint64_t meant;

	if (!mapping) {
		(void)snprintf(name, SYMBOL_BYTES, "0x%" PRIx64, address);
		return name;
	}
	if (!mapping->image.is_tried)
		image_open(&mapping->image, mapping->path);
	meant = meant_address(mapping, address);
	function = function_find(&mapping->image, meant);
	if (function)
		(void)snprintf(name, SYMBOL_BYTES, "%s", function->name);
	else
		(void)snprintf(name, SYMBOL_BYTES, STR_FORMAT "+0x%" PRIx64,
			STR_ARGS(file_of(mapping)), meant);
	return name;
}
