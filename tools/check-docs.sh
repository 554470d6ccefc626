#!/bin/bash
# Checks that documents name only files that exist: relative links of every
# Markdown file, and the files and tests in the table of docs/security.md.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
complain() { echo "$*" >&2; failed=1; }

while IFS= read -r document; do
	while IFS= read -r link; do
		target=${link%%#*}
		case $target in '' | *://* | mailto:*) continue ;; esac
		[ -e "$(dirname "$document")/$target" ] ||
			complain "$document: links to $target, which is not there"
	done < <(grep -o '\](\([^)]*\))' "$document" | sed 's/^](//; s/)$//')
done < <(git ls-files '*.md')

rows=0
while IFS='|' read -r _ number _ _ files tests _; do
	case $number in *R[0-9]* | *C[0-9]*) ;; *) continue ;; esac
	rows=$((rows + 1))
	for name in $(grep -o '`[^`]*`' <<<"$files" | tr -d '`'); do
		[ -e "$name" ] || complain "docs/security.md:$number: no $name"
	done
	for name in $(grep -o '`[^`]*`' <<<"$tests" | tr -d '`'); do
		case $name in check.*) continue ;; esac
		[ -e "tests/$name" ] ||
			complain "docs/security.md:$number: no tests/$name"
	done
done <docs/security.md
[ "$rows" -ge 30 ] || complain "docs/security.md: its table was not found"

exit $failed
