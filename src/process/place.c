/*
 * place.c - where a class lies, in a form that survives an exec.
 *
 * A class is static data of a module: the program or a shared library.  The
 * module's build-id and the class's offset in it mean the same object in
 * every process that has loaded the module, wherever that was.  A module
 * without a build-id is told by its program headers.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "process/boot.h"

struct search {
	uintptr_t		 address;	/* what is looked for */
	const struct mproc__place *wanted;	/* or which place */
	struct mproc__place	 found;
	bool			 done;		/* no better one will come */
	bool			 any;
};

/* Do n bytes from addr on lie in one loaded segment? */
static bool
holds(const struct dl_phdr_info *info, uintptr_t addr, size_t n)
{
	const ElfW(Phdr) *ph;
	uintptr_t start;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		ph = &info->dlpi_phdr[i];
		start = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type == PT_LOAD && addr >= start &&
		    addr - start < ph->p_memsz &&
		    ph->p_memsz - (addr - start) >= n)
			return true;
	}
	return false;
}

static size_t
padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* The build-id among a segment's notes, or NULL. */
static const uint8_t *
find_note(const uint8_t *at, size_t size, size_t *ret_len)
{
	ElfW(Nhdr) note;
	size_t need;

	while (size >= sizeof(note)) {
		memcpy(&note, at, sizeof(note));
		need = sizeof(note) + padded(note.n_namesz) +
		    padded(note.n_descsz);
		if (need > size)
			return NULL;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(at + sizeof(note), "GNU", 4) == 0) {
			*ret_len = note.n_descsz;
			return at + sizeof(note) + padded(note.n_namesz);
		}
		at += need;
		size -= need;
	}
	return NULL;
}

/* FNV-1a (Fowler, Noll, Vo) over where the module's segments lie. */
static uint64_t
hash_headers(const struct dl_phdr_info *info)
{
	uint64_t h = 0xcbf29ce484222325u, words[3];
	const uint8_t *byte;
	size_t i;
	int at;

	for (at = 0; at < info->dlpi_phnum; at++) {
		words[0] = info->dlpi_phdr[at].p_type;
		words[1] = info->dlpi_phdr[at].p_vaddr;
		words[2] = info->dlpi_phdr[at].p_memsz;
		byte = (const void *)words;
		for (i = 0; i < sizeof(words); i++)
			h = (h ^ byte[i]) * 0x100000001b3u;
	}
	return h;
}

static void
identify(const struct dl_phdr_info *info, struct mproc__place *ret)
{
	const ElfW(Phdr) *ph;
	const uint8_t *id = NULL;
	size_t len = 0;
	uint64_t hash;
	int i;

	for (i = 0; i < info->dlpi_phnum && id == NULL; i++) {
		ph = &info->dlpi_phdr[i];
		if (ph->p_type == PT_NOTE)
			id = find_note((const void *)(info->dlpi_addr +
			    ph->p_vaddr), ph->p_memsz, &len);
	}
	if (id == NULL || len == 0) {
		hash = hash_headers(info);
		id = (const void *)&hash;
		len = sizeof(hash);
	}
	if (len > sizeof(ret->id))
		len = sizeof(ret->id);
	memset(ret, 0, sizeof(*ret));
	ret->id_len = (uint32_t)len;
	memcpy(ret->id, id, len);
	snprintf(ret->module, sizeof(ret->module), "%s",
	    info->dlpi_name != NULL ? info->dlpi_name : "");
}

static int
look_for_address(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;

	(void)size;
	if (!holds(info, s->address, sizeof(struct mproc_class)))
		return 0;
	identify(info, &s->found);
	s->found.offset = s->address - info->dlpi_addr;
	s->done = true;
	return 1;
}

static int
look_for_place(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;
	uintptr_t at = info->dlpi_addr + (uintptr_t)s->wanted->offset;

	(void)size;
	identify(info, &s->found);
	if (s->found.id_len != s->wanted->id_len ||
	    memcmp(s->found.id, s->wanted->id, s->found.id_len) != 0 ||
	    !holds(info, at, sizeof(struct mproc_class)))
		return 0;
	/* Two copies of one library may be loaded: the path decides then. */
	s->done = strcmp(s->found.module, s->wanted->module) == 0;
	if (s->done || !s->any)
		s->address = at;
	s->any = true;
	return s->done;
}

static int
nowhere(const struct mproc_class *class)
{
	return mproc__err(-EINVAL, "class at %p: lies in no module: a class "
	    "has static storage", (const void *)class);
}

int
mproc__place_of(const struct mproc_class *class, struct mproc__place *ret)
{
	struct search s = { .address = (uintptr_t)class };

	(void)dl_iterate_phdr(look_for_address, &s);
	if (!s.done)
		return nowhere(class);
	*ret = s.found;
	return 0;
}

/* Without the dynamic loader's lock, where it has such a question. */
int
mproc__place_check(const struct mproc_class *class)
{
#if __GLIBC_PREREQ(2, 35)
	struct dl_find_object object;

	return _dl_find_object((void *)(uintptr_t)class, &object) == 0 ? 0 :
	    nowhere(class);
#else
	struct mproc__place place;

	return mproc__place_of(class, &place);
#endif
}

int
mproc__place_find(const struct mproc__place *place,
    const struct mproc_class **ret_class)
{
	struct search s = { .wanted = place };

	(void)dl_iterate_phdr(look_for_place, &s);
	if (!s.any)
		return mproc__err(-ENOENT, "the class's module %s is not "
		    "loaded", place->module[0] != '\0' ? place->module :
		    "(the program)");
	*ret_class = (const struct mproc_class *)s.address;
	return 0;
}
