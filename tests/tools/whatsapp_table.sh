#!/bin/sh
# whatsapp_table.sh: prints importers/whatsapp_table.c, made from importers/whatsapp_strings.tsv.
#   sh tests/tools/whatsapp_table.sh > importers/whatsapp_table.c
set -eu
LC_ALL=C awk -F '\t' '
function quoted(s) {
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	gsub(/\?/, "\\?", s)
	gsub(/\{\}/, "\\001", s)
	sub(/\342\200\246$/, "\\002", s)
	return "\"" s "\""
}
/^#/ || /^$/ || $1 ~ /^header/ { next }
{
	kind = toupper($1)
	gsub(/[-.]/, "_", kind)
	lo = hi = ""
	n = split($2, loc, ",")
	for (i = 1; i <= n; i++) {
		if (!(loc[i] in at)) {
			at[loc[i]] = locales + 0
			names[locales++] = loc[i]
		}
		k = at[loc[i]]
		if (k < 64)
			lo = lo (lo == "" ? "" : "|") "L(" k ")"
		else
			hi = hi (hi == "" ? "" : "|") "L(" k - 64 ")"
	}
	if ($1 ~ /^time\./) {
		hours = substr($1, 6)
		if (hours == "am")
			hours = "0,1,2,3,4,5,6,7,8,9,10,11"
		if (hours == "pm")
			hours = "12,13,14,15,16,17,18,19,20,21,22,23"
		n = split(hours, h, ",")
		mask = ""
		for (i = 1; i <= n; i++)
			mask = mask (i > 1 ? "|" : "") "H(" h[i] ")"
		words[n_words++] = "\t{ " quoted($4) ", " mask " },"
	} else {
		rows[n_rows++] = "\t{ " quoted($4) ", { { " (lo == "" ? 0 : lo) ", " (hi == "" ? 0 : hi) " } }, WA_" kind ", " ($3 == "ios" ? "WA_IOS" : $3 == "android" ? "WA_ANDROID" : "WA_ANY") " },"
	}
}
END {
	if (locales > 128)
		exit 1
	print "/* whatsapp_table.c: made by tests/tools/whatsapp_table.sh from importers/whatsapp_strings.tsv, where the origin of each fact"
	print " * stands; do not edit. \\001 is a place-holder, \\002 an open end. */"
	print "#include \"importers/whatsapp_match.h\"\n"
	print "#define L(n) (1ull << (n))"
	print "#define H(n) (1u << (n))\n"
	print "const char *const wa_locales[] = {"
	for (i = 0; i < locales; i++)
		print "\t\"" names[i] "\","
	print "};\nconst size_t wa_n_locales = sizeof(wa_locales) / sizeof(wa_locales[0]);\n"
	print "const struct wa_string wa_strings[] = {"
	for (i = 0; i < n_rows; i++)
		print rows[i]
	print "};\nconst size_t wa_n_strings = sizeof(wa_strings) / sizeof(wa_strings[0]);\n"
	print "const struct wa_word wa_words[] = {"
	for (i = 0; i < n_words; i++)
		print words[i]
	print "};\nconst size_t wa_n_words = sizeof(wa_words) / sizeof(wa_words[0]);"
}' importers/whatsapp_strings.tsv
