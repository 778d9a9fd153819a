/**
 * The scripts that ask rays what can stand where the cursor is (`rays completion words -- <words> <current>`). Whoever types
 * `rays` for an alias of `npx rays` is answered by the project's own.
 */

/** Works in the bash 3.2 of macOS, too. Nothing that rays answers is expanded by the shell. */
const BASH = `# bash completion for rays: eval "$(rays completion bash)" in ~/.bashrc
_rays() {
  local run="\${COMP_WORDS[0]}" word last=-1 current cut='' answer
  local -a words=()
  COMPREPLY=()
  # What was typed as --name=value comes in three words.
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [ "$last" -ge 0 ] && [[ "\${words[$last]}" == --* ]] && [[ "$word" == '=' || "\${words[$last]}" == *= ]]; then
      words[$last]="\${words[$last]}$word"
    else
      words[++last]="$word"
    fi
  done
  current="\${words[$last]}"
  if [[ "$current" == --*=* && "$COMP_WORDBREAKS" == *=* ]]; then cut="\${current%%=*}="; fi
  type -P "$run" > /dev/null || run=./node_modules/.bin/rays
  while IFS= read -r answer; do
    answer="\${answer%%$'\\t'*}"
    case "$answer" in
      :files | :folders)
        compopt -o filenames 2> /dev/null
        word=-f
        if [ "$answer" = :folders ]; then word=-d; fi
        while IFS= read -r answer; do COMPREPLY+=("$answer"); done < <(compgen "$word" -- "\${current#"$cut"}")
        ;;
      *) COMPREPLY+=("\${answer#"$cut"}") ;;
    esac
  done < <("$run" completion words -- "\${words[@]}" 2> /dev/null)
}
complete -F _rays rays`

const ZSH = `#compdef rays
# zsh completion for rays: rays completion zsh > "\${fpath[1]}/_rays", before compinit
_rays() {
  local run=$words[1] answer
  local -a found
  whence -p -- $run > /dev/null || run=./node_modules/.bin/rays
  for answer in \${(f)"$($run completion words -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2> /dev/null)"}; do
    case $answer in
      :files) compset -P '--*='; _files; return ;;
      :folders) compset -P '--*='; _files -/; return ;;
      *$'\\t'*) found+=("\${\${answer%%$'\\t'*}//:/\\\\:}:\${answer#*$'\\t'}") ;;
      *) found+=("\${answer//:/\\\\:}") ;;
    esac
  done
  _describe rays found
}
if [[ $funcstack[1] == _rays ]]; then _rays "$@"; else compdef _rays rays; fi`

const FISH = `# fish completion for rays: rays completion fish | source, in ~/.config/fish/config.fish
function __rays_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l run $words[1]
    set -e words[1]
    command -q $run; or set run ./node_modules/.bin/rays
    for answer in ($run completion words -- $words "$current" 2>/dev/null)
        switch $answer
            case ':files'
                __fish_complete_path "$current"
            case ':folders'
                __fish_complete_directories "$current"
            case '*'
                echo -- $answer
        end
    end
end
complete -c rays -f -a '(__rays_complete)'`

/** @returns undefined for a shell that has none */
export function scriptFor(shell: string): string | undefined {
  return new Map([
    ['bash', BASH],
    ['zsh', ZSH],
    ['fish', FISH],
  ]).get(shell)
}
