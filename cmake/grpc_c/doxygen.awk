# Turns the comments of our headers into what doxygen reads; nothing else
# changes. For INPUT_FILTER; the file's name is the argument.
#
# - A comment before a declaration becomes its text, one behind it on the same
#   line too; the first one of the file becomes the file's if a blank line
#   follows.
# - A comment holds for all that follows until a blank line: declarations that
#   directly follow another share its text.
# - "---- Title ----" begins a section.

function escape(text,    parts, count, i, result) {
	# Markdown's code, in backticks or indented, stays as it is.
	if (text ~ /^[ \t]*\*?(\t|    )/ || text ~ /^\t*    /)
		return text
	count = split(text, parts, "`")
	result = ""
	for (i = 1; i <= count; i++) {
		if (i % 2 == 1) {
			gsub(/\\/, "\\\\", parts[i])
			gsub(/@/, "\\@", parts[i])
			gsub(/</, "\\<", parts[i])
			gsub(/#/, "\\#", parts[i])
		}
		result = result (i > 1 ? "`" : "") parts[i]
	}
	return result
}

# The text of a comment without its marks, for repeating it.
function keep(line) {
	kept = kept (kept == "" ? "" : "\n") line
}

# Whether a blank line follows the first comment: it is not the text of a
# declaration then. Reads the file a second time.
function is_about_file(    file, line, at_end) {
	file = FILENAME
	while ((getline line < file) > 0)
		if (at_end || line ~ /\*\//) {
			if (at_end)
				break
			at_end = 1
		}
	close(file)
	return line ~ /^[ \t]*$/
}

BEGIN {
	in_comment = is_trailing = is_section_open = is_file_done = 0
	in_declaration = 0 # of several lines, at the top level
	is_paragraph = 0   # the line before ended a declaration
	depth = 0          # of braces
	kept = ""
}

# ---- Inside a comment of several lines ----
in_comment {
	end = index($0, "*/")
	if (end == 0) {
		line = escape($0)
		print line
		if (!is_trailing)
			keep(line)
		next
	}
	line = escape(substr($0, 1, end - 1)) substr($0, end)
	print line
	if (!is_trailing)
		keep(line)
	in_comment = 0
	next
}

# ---- A section ----
/^\/\* ---- .* ---- \*\/$/ {
	if (is_section_open)
		print "/**@}*/"
	title = $0
	gsub(/^\/\* ---- | ---- \*\/$/, "", title)
	print "/** @name " title "\n@{ */"
	is_section_open = 1
	is_paragraph = 0
	kept = ""
	next
}

# ---- A comment of its own ----
/^[ \t]*\/\*/ {
	match($0, /\/\*/)
	indent = substr($0, 1, RSTART - 1)
	rest = substr($0, RSTART + 2)
	mark = "/**"
	if (!is_file_done && depth == 0) {
		is_file_done = 1
		name = FILENAME
		gsub(/.*\//, "", name)
		if (is_about_file())
			mark = "/** @file " name "\n"
		else
			print "/** @file " name " */"
	}
	end = index(rest, "*/")
	if (end > 0)
		rest = escape(substr(rest, 1, end - 1)) substr(rest, end)
	else
		rest = escape(rest)
	print indent mark rest
	kept = ""
	keep(indent "/**" rest)
	in_comment = end == 0
	is_trailing = 0
	is_paragraph = 0
	next
}

# ---- Code, perhaps with a comment behind it ----
{
	code = $0
	at = index($0, "/*")
	if (at > 0) {
		code = substr($0, 1, at - 1)
		rest = substr($0, at + 2)
		end = index(rest, "*/")
		if (end > 0)
			rest = escape(substr(rest, 1, end - 1)) substr(rest, end)
		in_comment = end == 0
		is_trailing = 1
	}

	is_blank = code ~ /^[ \t]*$/
	is_start = depth == 0 && !in_declaration && !is_blank && code !~ /^[}{]/
	if (is_start && code ~ /^#/ && code !~ /^#define/)
		is_start = 0
	if (is_start && is_paragraph && kept != "")
		print kept
	if (is_blank) {
		is_paragraph = 0
		if (!in_declaration && depth == 0)
			kept = ""
	}

	if (at > 0)
		print code "/**<" rest
	else
		print

	if (is_start)
		in_declaration = 1
	depth += gsub(/{/, "{", code) - gsub(/}/, "}", code)
	# extern "C" {
	if (code ~ /^extern "C" \{$/ || (code ~ /^}$/ && depth < 0))
		depth = in_declaration = 0
	if (in_declaration && depth == 0 &&
	    (code ~ /;[ \t]*$/ || code ~ /^}/ || (code ~ /^#/ && code !~ /\\$/) ||
	    (is_continued && code !~ /\\$/))) {
		in_declaration = 0
		is_paragraph = 1
	}
	is_continued = code ~ /\\$/
}

END {
	if (is_section_open)
		print "/**@}*/"
}
