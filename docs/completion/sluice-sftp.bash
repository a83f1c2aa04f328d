# Completion of sluice-sftp and sluice-scp: flags, their values, hosts of ~/.ssh/config, local names.
_sluice_files_hosts() {
    sed -n 's/^[[:space:]]*[Hh][Oo][Ss][Tt][[:space:]=]\{1,\}\([^*?!]*\)$/\1/p' ~/.ssh/config 2>/dev/null
}

# True: the word before was a flag that wanted this one.
_sluice_files_value() {
    case $2 in
        -i|-F|-b|-S) COMPREPLY=($(compgen -f -- "$1")); compopt -o filenames; return 0 ;;
        -c) COMPREPLY=($(compgen -W "aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr \
aes256-ctr" -- "$1")); return 0 ;;
        -J) COMPREPLY=($(compgen -W "$(_sluice_files_hosts)" -- "$1")); return 0 ;;
        -X) COMPREPLY=($(compgen -W "nrequests= buffer=" -- "$1")); compopt -o nospace; return 0 ;;
        -P|-l|-o|-B|-R|-s|-D) return 0 ;;
    esac
    return 1
}

_sluice_sftp() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    _sluice_files_value "$current" "$previous" && return
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "-4 -6 -A -a -B -b -C -c -F -f -i -J -l -N -o -P -p -q -R -r -s -v -X --help" -- "$current"))
        return
    fi
    COMPREPLY=($(compgen -W "$(_sluice_files_hosts)" -- "$current"))
}

_sluice_scp() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $previous in -B|-R|-s) ;; *) _sluice_files_value "$current" "$previous" && return ;; esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "-3 -4 -6 -A -B -C -c -F -i -J -l -O -o -P -p -q -R -r -s -T -v -X --help" -- "$current"))
        return
    fi
    COMPREPLY=($(compgen -f -- "$current") $(compgen -S : -W "$(_sluice_files_hosts)" -- "$current"))
    compopt -o filenames -o nospace 2>/dev/null
}

complete -F _sluice_sftp sluice-sftp
complete -F _sluice_scp sluice-scp
