# SPDX-License-Identifier: MIT
# fish completion for mmapdirfs. The options are those that the program itself tells, so that none is forgotten.

function __mmapdirfs_options
    mmapdirfs --help 2>/dev/null | string replace --filter --regex '^  (?:-[a-zA-Z] \[ )?(--[a-z-]+)(?: \])?( [A-Z]\S*)? *(.*)' '$1\t$3'
end

# The current option's name with each of the values, as far as they are known.
function __mmapdirfs_values
    set --local name (string split --fields 1 = -- (commandline --current-token))
    switch $name
        case --read-path
            printf '%s\n' $name=(string split ' ' 'auto passthrough mapped plain')
        case --cache
            printf '%s\n' $name=(string split ' ' 'auto never always')
        case --io-uring
            printf '%s\n' $name=(string split ' ' 'off auto on')
        case --idmap
            printf '%s\n' $name=(string split ' ' 'off on')
        case --log-level
            printf '%s\n' $name=(string split ' ' 'error warn info debug')
    end
end

complete --command mmapdirfs --no-files
complete --command mmapdirfs --condition 'not string match --quiet -- "-*" (commandline --current-token)' --arguments '(__fish_complete_directories)'
complete --command mmapdirfs --condition 'string match --quiet -- "-*" (commandline --current-token)' --arguments '(__mmapdirfs_options)'
complete --command mmapdirfs --condition 'string match --quiet -- "--*=*" (commandline --current-token)' --arguments '(__mmapdirfs_values)'
