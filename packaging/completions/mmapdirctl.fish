# SPDX-License-Identifier: MIT
# fish completion for mmapdirctl. Verbs and options are those that the program itself tells, so that none is forgotten.

# The mount points of mmapdirfs; the kernel writes blanks in them as \040.
function __mmapdirctl_mount_points
    while read --delimiter ' ' --local device mount_point type rest
        if test "$type" = fuse.mmapdirfs
            printf '%b\n' (string replace --all '\\' '\\0' -- $mount_point)
        end
    end </proc/self/mounts
end

# The words before the cursor that are no options, without the program's name.
function __mmapdirctl_words
    string match --invert -- '-*' (commandline --tokenize --current-process --cut-at-cursor)[2..-1]
end

# Names and summaries, by a tab; the second words of a verb after "hot".
function __mmapdirctl_verbs
    if test "$argv[1]" = hot
        mmapdirctl --help 2>/dev/null | string replace --filter --regex '^  hot ([a-z]+) +(.*)' '$1\t$2'
    else
        mmapdirctl --help 2>/dev/null | string match --invert '  hot *' | string replace --filter --regex '^  ([a-z-]+)  +(.*)' '$1\t$2'
        printf 'hot\tsave or load which parts of the files are in memory\n'
    end
end

function __mmapdirctl_options
    set --local words (__mmapdirctl_words)
    test "$words[1]" = hot; and set words $words[1..2]; or set words $words[1]
    mmapdirctl $words --help 2>/dev/null | string replace --filter --regex '^  (?:-[a-zA-Z] \[ )?(--[a-z-]+)(?: \])?( [A-Z]\S*)? *(.*)' '$1\t$3'
end

# Whether the cursor is where a word of that kind belongs: verb, part (of "hot"), mount, or rest of one of the verbs.
function __mmapdirctl_wants
    set --local words (__mmapdirctl_words)
    set --local verb_words 1
    test "$words[1]" = hot; and set verb_words 2
    switch $argv[1]
        case verb
            test (count $words) -eq 0
        case part
            test "$words[1]" = hot -a (count $words) -eq 1
        case mount
            test (count $words) -eq $verb_words
        case rest
            test (count $words) -gt $verb_words; and contains -- $words[1] $argv[2..-1]
    end
end

# Files of the mount, as patterns name them: relative to its root.
function __mmapdirctl_files
    set --local mount_point (__mmapdirctl_words)[2]
    for file in $mount_point/*
        string replace -- $mount_point/ '' $file
    end
end

complete --command mmapdirctl --no-files
complete --command mmapdirctl --condition '__mmapdirctl_wants verb' --arguments '(__mmapdirctl_verbs)'
complete --command mmapdirctl --condition '__mmapdirctl_wants part' --arguments '(__mmapdirctl_verbs hot)'
complete --command mmapdirctl --condition '__mmapdirctl_wants mount' --arguments '(__mmapdirctl_mount_points)'
complete --command mmapdirctl --condition '__mmapdirctl_wants rest map warm pin unpin' --arguments '(__mmapdirctl_files)'
complete --command mmapdirctl --condition '__mmapdirctl_wants rest log-level' --arguments 'error warn info debug'
complete --command mmapdirctl --condition '__mmapdirctl_wants rest hot' --force-files
complete --command mmapdirctl --condition '__mmapdirctl_wants rest doctor' --arguments '(__fish_complete_directories)'
complete --command mmapdirctl --condition 'string match --quiet -- "-*" (commandline --current-token)' --arguments '(__mmapdirctl_options)'
