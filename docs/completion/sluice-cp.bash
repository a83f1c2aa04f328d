# Completion of `sluice cp` and sluice-cp: flags, their values, places here and there.
_sluice_cp_remote() {
    # Names at a server, where a login needs no questions; colons part words in bash.
    local place=$1 host=${1%%:*} path=${1#*:}
    local folder=${path%"${path##*/}"}
    local names
    names=$(sluice ssh -o BatchMode=yes -o ConnectTimeout=3 "$host" "command ls -1apd -- '${folder//\'/}'* 2>/dev/null" 2>/dev/null) || return
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$names" -- "$path"))
    compopt -o nospace -o filenames 2>/dev/null
}

_sluice_cp() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $previous in
        -i|-F) COMPREPLY=($(compgen -f -- "$current")); compopt -o filenames; return ;;
        -n) COMPREPLY=($(compgen -W "1 2 4 8" -- "$current")); return ;;
        --bwlimit) COMPREPLY=($(compgen -W "1M 10M 100M 1G" -- "$current")); return ;;
        -c) COMPREPLY=($(compgen -W "aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr \
aes256-ctr" -- "$current")); return ;;
        -P|-l|-J|-o|--exclude) return ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "-r -p -L -u -n -q -v -P -l -i -J -o -F -c -4 -6 -B --verify --restart --bwlimit --exclude \
--dry-run --json --recursive --preserve --update --quiet --help" -- "$current"))
        return
    fi
    local line=${COMP_LINE:0:COMP_POINT}
    local word=${line##*[[:space:]]}
    if [[ $word == *:* && $word != ./* && $word != /* ]]; then
        _sluice_cp_remote "$word"
        return
    fi
    local hosts
    hosts=$(sed -n 's/^[Hh]ost[[:space:]]\{1,\}\([^*?!]*\)$/\1/p' ~/.ssh/config 2>/dev/null)
    COMPREPLY=($(compgen -f -- "$current") $(compgen -S : -W "$hosts" -- "$current"))
    compopt -o filenames -o nospace 2>/dev/null
}
complete -F _sluice_cp sluice-cp
