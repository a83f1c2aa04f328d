# Bash completion for sluice, its links sluice-ssh, -scp, -sftp, -cp and -bench, and sluiced: programs, flags and their values,
# options of ssh_config, hosts that are known, names here and at a server.

_sluice_hosts() {
  local files=("$HOME/.ssh/config" /etc/ssh/ssh_config) known=("$HOME/.ssh/known_hosts" /etc/ssh/ssh_known_hosts)
  {
    sed -n 's/^[[:space:]]*[Hh][Oo][Ss][Tt][[:space:]=]\{1,\}//p' "${files[@]}" 2>/dev/null | tr -s ' \t' '\n' | grep -v '[*?!]'
    sed -n 's/^\([^#|@ ][^ ]*\) .*/\1/p' "${known[@]}" 2>/dev/null | tr ',' '\n' | sed 's/^\[\([^]]*\)\].*/\1/' | grep -v '[*?!]'
  } | sort -u
}

_sluice_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2"); }
_sluice_files() { mapfile -t COMPREPLY < <(compgen -f -- "$1") && compopt -o filenames; }

# A host, with a user's name before it perhaps; $2: what follows the name.
_sluice_host() {
  if [[ $1 == *@* ]]; then
    mapfile -t COMPREPLY < <(compgen -P "${1%%@*}@" -S "$2" -W "$(_sluice_hosts)" -- "${1#*@}")
  else
    mapfile -t COMPREPLY < <(compgen -S "$2" -W "$(_sluice_hosts)" -- "$1")
  fi
}

# Flags that mean the same in every client. True: the word before wanted this one.
_sluice_value() {
  local cur=$1 prev=$2
  case "$prev" in
    -i | -F) _sluice_files "$cur" ;;
    -c) _sluice_words "$(sluice ssh -Q cipher 2>/dev/null)" "$cur" ;;
    -J) _sluice_words "$(_sluice_hosts)" "$cur" ;;
    -o)
      local names
      names=$(sluice ssh -Q option 2>/dev/null | tr '[:upper:]' '[:lower:]')
      mapfile -t COMPREPLY < <(compgen -S = -W "$names" -- "${cur,,}") && compopt -o nospace
      ;;
    *) return 1 ;;
  esac
  return 0
}

_sluice_ssh() {
  local cur=$1 prev=$2
  _sluice_value "$cur" "$prev" && return
  case "$prev" in
    -E | -S) _sluice_files "$cur" ;;
    -m) _sluice_words "$(sluice ssh -Q mac 2>/dev/null)" "$cur" ;;
    -O) _sluice_words "check forward cancel exit stop" "$cur" ;;
    -Q) _sluice_words "$(sluice ssh -Q help 2>/dev/null)" "$cur" ;;
    -B) _sluice_words "$(command ls /sys/class/net 2>/dev/null)" "$cur" ;;
    -b | -D | -e | -l | -L | -P | -p | -R | -W) ;;
    *)
      if [[ $cur == -* ]]; then
        _sluice_words "-4 -6 -A -a -B -b -C -c -D -E -e -F -f -G -g -i -J -L -l -M -m -N -n -O -o -P -p -Q -q -R -S -s -T -t -V -v -W -X -x -Y -y --help" "$cur"
      else
        _sluice_host "$cur" ""
      fi
      ;;
  esac
}

_sluice_sftp() {
  local cur=$1 prev=$2
  _sluice_value "$cur" "$prev" && return
  case "$prev" in
    -b) _sluice_files "$cur" ;;
    -X) _sluice_words "nrequests= buffer=" "$cur" && compopt -o nospace ;;
    -B | -l | -P | -R | -s) ;;
    *)
      if [[ $cur == -* ]]; then
        _sluice_words "-4 -6 -A -a -B -b -C -c -F -f -i -J -l -N -o -P -p -q -R -r -s -v -X --help" "$cur"
      else
        _sluice_host "$cur" ""
      fi
      ;;
  esac
}

# Names at a server, where a login needs no questions; bash parts words at colons.
_sluice_remote() {
  local host=${1%%:*} path=${1#*:}
  local folder=${path%"${path##*/}"} names
  names=$(sluice ssh -o BatchMode=yes -o ConnectTimeout=3 "$host" "command ls -1apd -- '${folder//\'/}'* 2>/dev/null" 2>/dev/null) || return
  local IFS=$'\n'
  mapfile -t COMPREPLY < <(compgen -W "$names" -- "$path")
  compopt -o nospace -o filenames 2>/dev/null
}

# A path here, a host, or a path at one.
_sluice_place() {
  local line=${COMP_LINE:0:COMP_POINT}
  local word=${line##*[[:space:]]}
  if [[ $word == *:* && $word != ./* && $word != /* ]]; then
    _sluice_remote "$word"
    return
  fi
  _sluice_host "$1" :
  local hosts=("${COMPREPLY[@]}")
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
  COMPREPLY+=("${hosts[@]}")
  compopt -o filenames -o nospace 2>/dev/null
}

_sluice_scp() {
  local cur=$1 prev=$2
  _sluice_value "$cur" "$prev" && return
  case "$prev" in
    -X) _sluice_words "nrequests= buffer=" "$cur" && compopt -o nospace ;;
    -l | -P) ;;
    *)
      if [[ $cur == -* ]]; then
        _sluice_words "-3 -4 -6 -A -B -C -c -F -i -J -l -O -o -P -p -q -R -r -s -T -v -X --help" "$cur"
      else
        _sluice_place "$cur"
      fi
      ;;
  esac
}

_sluice_cp() {
  local cur=$1 prev=$2
  _sluice_value "$cur" "$prev" && return
  case "$prev" in
    -n) _sluice_words "1 2 4 8" "$cur" ;;
    --bwlimit) _sluice_words "1M 10M 100M 1G" "$cur" ;;
    -P | -l | --exclude) ;;
    *)
      if [[ $cur == -* ]]; then
        _sluice_words "-r -p -L -u -n -q -v -P -l -i -J -o -F -c -4 -6 --verify --restart --bwlimit --exclude --dry-run --json --recursive --preserve --update --quiet --help" "$cur"
      else
        _sluice_place "$cur"
      fi
      ;;
  esac
}

_sluice_bench() {
  local cur=$1 prev=$2 which= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in transfer | rekey | linerate | sessions | compare) which=$word ;; esac
  done
  if [[ -z $which ]]; then
    _sluice_words "transfer rekey linerate sessions compare --help" "$cur"
    return
  fi
  case "$prev" in
    --json | --html | --identity) _sluice_files "$cur" ;;
    --folder) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    --client)
      if [[ $which == rekey ]]; then
        _sluice_words "self ssh" "$cur"
      else
        _sluice_words "all sluice-cp sluice-cp-auto sluice-sftp sluice-scp sftp scp scp-O psftp pscp lftp rclone rsync curl" "$cur"
      fi
      ;;
    --server) if [[ $which == rekey ]]; then _sluice_words "self sluiced sshd" "$cur"; else _sluice_words "sluiced sshd" "$cur"; fi ;;
    --pair | --against) _sluice_words "sluice-cp+sluiced sluice-cp+sshd sftp+sluiced sftp+sshd" "$cur" ;;
    --way) _sluice_words "put get" "$cur" ;;
    --direction) _sluice_words "seal open" "$cur" ;;
    --mode) _sluice_words "random time volume" "$cur" ;;
    --by) _sluice_words "client server both" "$cur" ;;
    --suite) _sluice_words "aes128-gcm aes256-gcm chacha20-poly1305 aes256-ctr+hmac-sha2-256-etm aes256-ctr+hmac-sha2-512-etm" "$cur" ;;
    --kex) _sluice_words "mixed $(sluice ssh -Q kex 2>/dev/null)" "$cur" ;;
    --port-dev) _sluice_words "memif vhost kernel" "$cur" ;;
    --driver) _sluice_words "auto ipsec_mb openssl null" "$cur" ;;
    *)
      if [[ $which == compare && $cur != -* ]]; then
        _sluice_files "$cur"
      else
        _sluice_words "$(sluice bench "$which" --help 2>/dev/null | grep -o -e '--[a-z0-9-]*' | sort -u) --help" "$cur"
      fi
      ;;
  esac
}

_sluiced() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case "$prev" in
    -f | --file | --state-dir | --pid-file) _sluice_files "$cur" ;;
    -o | --option | -p | --port | --listen) ;;
    *) _sluice_words "-D --foreground -t --check -f --file -o --option -p --port --listen --state-dir --pid-file -h --help -V --version" "$cur" ;;
  esac
}

_sluice() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} program
  COMPREPLY=()
  program=${COMP_WORDS[0]##*/}
  if [[ $program == sluice ]]; then
    if ((COMP_CWORD == 1)); then
      _sluice_words "$(sluice --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')" "$cur"
      return
    fi
    program=${COMP_WORDS[1]}
  fi
  program=${program#sluice-}
  if declare -F "_sluice_$program" >/dev/null; then "_sluice_$program" "$cur" "$prev"; fi
}

complete -F _sluice sluice sluice-ssh sluice-scp sluice-sftp sluice-cp sluice-bench
complete -F _sluiced sluiced
