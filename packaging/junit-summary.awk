# SPDX-License-Identifier: MIT
# Reads what `ctest --output-junit` writes; prints one line a test: passed, failed or skipped, the name, and why it
# was skipped, with tabs between them. ctest writes each element on a line of its own and escapes < in a test's
# output, so lines can be told apart by how they begin.

function plain(text) {
  gsub(/&lt;/, "<", text)
  gsub(/&gt;/, ">", text)
  gsub(/&quot;/, "\"", text)
  gsub(/&apos;/, "'", text)
  gsub(/&amp;/, "\\&", text)
  return text
}

function attribute(key, text) {
  text = $0
  if (!sub(".* " key "=\"", "", text)) return ""
  sub(/".*/, "", text)
  return plain(text)
}

/^\t<testcase / {
  name = attribute("name")
  status = attribute("status")
  cause = message = last = ""
  in_message = 0
  next
}

/^\t\t<skipped / {
  cause = attribute("message")
  next
}

/^\t\t<failure / { next }

/^\t<\/testcase>/ {
  state = status == "run" ? "passed" : "failed"
  # ctest also says "notrun" of a test whose program is missing, which is a failure and no skip.
  if (status == "disabled" || (status == "notrun" && cause ~ /^SKIP_/)) state = "skipped"
  printf "%s\t%s\t%s\n", state, name, message != "" ? message : last
  next
}

{
  line = $0
  sub(/^\t\t<system-out>/, "", line)
  sub(/<\/system-out>$/, "", line)
  gsub(/^[ \t]+|[ \t]+$/, "", line)
  line = plain(line)
  if (line == "") in_message = 0
  else last = line
  if (in_message) message = message (message == "" ? "" : " ") line
  # Catch2 puts the reason of a SKIP("...") beneath this line.
  if (line == "explicitly with message:" && message == "") in_message = 1
}
