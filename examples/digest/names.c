/*
 * names.c - file names as sha256sum(1) of GNU coreutils prints them.
 *
 * Source: info coreutils, "md5sum invocation" for the sums, and "Quoting
 * style" shell-escape for the messages.
 */
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "names.h"

static void
print_escaped(FILE *out, const char *name)
{
	for (; *name != '\0'; name++) {
		switch (*name) {
		case '\\':
			(void)fputs("\\\\", out);
			break;
		case '\n':
			(void)fputs("\\n", out);
			break;
		case '\r':
			(void)fputs("\\r", out);
			break;
		default:
			(void)putc(*name, out);
		}
	}
}

bool
print_sum(FILE *out, const unsigned char *sum, size_t size, const char *name)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	if (strpbrk(name, "\\\n\r") != NULL)
		(void)putc('\\', out);
	for (i = 0; i < size; i++) {
		(void)putc(digits[sum[i] >> 4], out);
		(void)putc(digits[sum[i] & 15], out);
	}
	(void)fputs("  ", out);
	print_escaped(out, name);
	(void)putc('\n', out);
	return !ferror(out);
}

/* How many bytes at s are one printable character; 0: none are. */
static size_t
printable(const char *s, mbstate_t *state)
{
	wchar_t wc;
	size_t n = mbrtowc(&wc, s, strlen(s), state);

	if (n == (size_t)-1 || n == (size_t)-2) {
		memset(state, 0, sizeof(*state));
		return 0;
	}
	return iswprint((wint_t)wc) ? n : 0;
}

/* What quoting a name must know before its first byte is written. */
struct survey {
	bool	must;		/* it has to be quoted at all */
	bool	single;		/* it has a single quote */
	bool	twofold;	/* double quotes would do as well */
};

static struct survey
look_at(const char *name)
{
	struct survey s = { .must = *name == '\0', .twofold = true };
	mbstate_t state = { 0 };
	const char *at = name;
	size_t n;

	for (; *at != '\0'; at += n > 0 ? n : 1) {
		n = printable(at, &state);
		if (n != 1) {
			s.must |= n == 0;
			s.twofold &= n > 0;
			continue;
		}
		s.single |= *at == '\'';
		if (strchr("#~", *at) != NULL)
			s.must |= at == name;
		else if (strchr("{}", *at) != NULL)
			s.must |= name[1] == '\0';
		else
			s.must |= strchr(" !\"$&'()*;<=>?[\\^`|:", *at) !=
			    NULL;
		if (strchr("!\"$&()*;<=>?[\\^`|{}", *at) != NULL ||
		    (strchr("#~", *at) != NULL && at != name))
			s.twofold = false;
	}
	return s;
}

/* A byte that is not printed, in the escapes that $'...' knows. */
static void
print_byte(FILE *out, unsigned char c)
{
	static const char names[] = "abtnvfr";	/* from '\a' on */

	if (c >= '\a' && c <= '\r')
		(void)fprintf(out, "\\%c", names[c - '\a']);
	else
		(void)fprintf(out, "\\%03o", c);
}

static void
print_quoted(FILE *out, const char *name)
{
	mbstate_t state = { 0 };
	bool escaping = false;
	size_t n;

	(void)putc('\'', out);
	for (; *name != '\0'; name += n > 0 ? n : 1) {
		n = printable(name, &state);
		if (n == 0 && !escaping)
			(void)fputs("'$'", out);
		if (n > 0 && escaping && *name != '\'')
			(void)fputs("''", out);
		escaping = n == 0;
		if (n == 0)
			print_byte(out, (unsigned char)*name);
		else if (*name == '\'')
			(void)fputs("'\\''", out);
		else
			(void)fwrite(name, 1, n, out);
	}
	(void)putc('\'', out);
}

char *
quote_name(const char *name)
{
	struct survey s = look_at(name);
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!s.must)
		return strdup(name);
	if ((out = open_memstream(&text, &size)) == NULL)
		return NULL;
	if (s.single && s.twofold)
		(void)fprintf(out, "\"%s\"", name);
	else
		print_quoted(out, name);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
