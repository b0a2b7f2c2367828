#!/bin/sh
# The pipelines of docs/ci, step by step as a runner would: every job in a fresh folder, only the ledger carried over.
. tests/lib/tap.sh
export MVCHAT_CLOCK=virtual ARCHIVE=export.zip MAX_OPS=20000 FAIL_ON=
PATH=$(dirname "$MVCHAT"):$PATH
tokens
demo_zip "$T/export.zip"

# gitlab JOB: the job's script. github STEP: the step's.
gitlab() { awk -v job="$1:" '/^[^ #]/ { on = ($0 == job) } on && /^  [a-z]/ { s = /^  script:/ } on && s && /^      / { print substr($0, 7) }' "$ROOT/docs/ci/gitlab-ci.yml"; }
github() { awk -v step="      - name: $1" '/^      [-#]/ { on = ($0 == step) } on && /^          / { print substr($0, 11) }' "$ROOT/docs/ci/github-actions.yml"; }
# In a runner's checkout there are the project's files and the archive; its cache brings the ledger back.
checkout() {
	rm -rf "$T/work"
	mkdir "$T/work"
	cp "$T/repo/mvchat.yaml" "$T/repo/users.csv" "$T/repo/channels.csv" "$T/export.zip" "$T/work/"
}
cache_out() { mkdir -p "$T/work/.mvchat" && for f in "$T"/cache/ledger.db*; do [ -f "$f" ] && cp "$f" "$T/work/.mvchat/"; done; }
cache_in() { rm -rf "$T/cache" && mkdir "$T/cache" && for f in "$T"/work/.mvchat/ledger.db*; do [ -f "$f" ] && cp "$f" "$T/cache/"; done; }
# step NAME CODE SCRIPT: as both runners do it: one shell that ends at the first failure
step() {
	printf '%s\n' "$3" >"$T/step.sh"
	[ -n "$3" ] || { not_ok "$1: no such step"; return; }
	(cd "$T/work" && bash -eo pipefail "$T/step.sh") >"$T/out" 2>"$T/err" </dev/null
	code=$?
	if [ "$code" -eq "$2" ]; then ok "$1"; else not_ok "$1 (exit $code, not $2)" "$T/out" "$T/err"; fi
}
repo() {
	rm -rf "$T/repo" "$T/cache"
	mkdir "$T/repo" "$T/cache"
	cp "$T/export.zip" "$T/repo/"
	(cd "$T/repo" && "$MVCHAT" map --url "$URL" --unmatched create export.zip) >"$T/out" 2>"$T/err" || not_ok 'the project is drafted' "$T/err"
}
has 'GitLab keeps the ledger' "$ROOT/docs/ci/gitlab-ci.yml" 'paths: [".mvchat/ledger.db*"]'
has 'GitHub keeps the ledger' "$ROOT/docs/ci/github-actions.yml" 'path: .mvchat/ledger.db*'

# One pipeline run. $1: what apply and verify are to end with.
pipeline() {
	for job in inspect mapping plan apply verify; do
		checkout
		case $job in plan | apply | verify) cache_out ;; esac
		want=0
		case $job in apply | verify) want=$1 ;; esac
		step "GitLab, $job (expecting $want)" "$want" "$(gitlab $job)"
		case $job in plan | apply | verify) cache_in ;; esac
		if [ $job = plan ]; then
			. "$T/work/plan.env"
			export PLAN_DIGEST
			eq 'the plan has a digest' "${#PLAN_DIGEST}" 64
			cp "$T/work/plan.xml" "$T/plan.xml"
		fi
		[ $job = apply ] && cp "$T/work/apply.json" "$T/apply.json"
	done
}
sandbox gitlab
repo
MAX_OPS=40
pipeline 6
MAX_OPS=20000
pipeline 0
has 'the report is one a test viewer reads' "$T/plan.xml" '<testsuite'
pipeline 0
eq 'a run with nothing to do writes nothing' "$(number writes "$T/apply.json")" 0
# A plan that is no longer true is refused.
checkout
cache_out
sed -i 's/^  label: .*/  label: "{name}"/' "$T/work/mvchat.yaml"
step 'GitLab, apply of a stale plan (expecting 7)' 7 "$(gitlab apply)"
checkout
FAIL_ON=loss
step 'GitLab, a plan with losses that shall stop it (expecting 7)' 7 "$(gitlab plan)"
FAIL_ON=
# A mapping that people broke stops the pipeline before anything is asked of the target.
checkout
echo 'chanels: {}' >>"$T/work/mvchat.yaml"
step 'GitLab, a broken mapping (expecting 2)' 2 "$(gitlab mapping)"
step 'GitLab, its plan (expecting 2)' 2 "$(gitlab plan)"

sandbox github
repo
export GITHUB_ENV="$T/github.env" GITHUB_STEP_SUMMARY="$T/summary.md"
flow() {
	: >"$GITHUB_ENV"
	checkout
	cache_out
	for name in Inspect Mapping Plan Apply Verify; do
		step "GitHub, $name" 0 "$(github $name)"
		if [ $name = Plan ]; then
			# shellcheck source=/dev/null
			. "$GITHUB_ENV"
			export PLAN_DIGEST
		fi
	done
	cache_in
}
MAX_OPS=40
flow
has 'an unfinished run says that the next one goes on' "$T/work/apply.json" '"stopped":true'
MAX_OPS=20000
flow
eq 'and it does' "$(number pending "$T/work/apply.json")" 0
flow
eq 'then there is nothing left to do' "$(number writes "$T/work/apply.json")" 0
has 'the plan is shown on the run' "$GITHUB_STEP_SUMMARY" '#'
if [ -s "$T/work/account.html" ]; then ok 'the account is there to publish'; else not_ok 'the account is there to publish'; fi
checkout
PACHCA_BOT_TOKEN=wrong-token-1234
step 'GitHub, a wrong token (expecting 5)' 5 "$(github Plan)"
hasnt 'which no log shows' "$T/err" 'wrong-token-1234'
done_testing
