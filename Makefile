# mvchat: GNU make, one file, no recursion.
#   make            build build/release/mvchat         make test   everything a commit must pass
#   make demo       the main job on fixtures           make deps   install what is missing
#   make demo-whatsapp   a chat from three phones into the sandbox
#   MODE=asan       the same under ASan + UBSan        CC=clang    the second compiler
MODE ?= release
BUILD := build/$(MODE)
PREFIX ?= /usr/local
VERSION := 0.1.0
PKG_CONFIG ?= pkg-config
PKGS := libzip libdeflate zlib libarchive jansson yajl libfyaml sqlite3 libcurl libxml-2.0 libpcre2-8 libmicrohttpd libxxhash nettle opusfile
TEST_PKGS := cmocka

CSTD := -std=c11 -D_XOPEN_SOURCE=700
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wformat=2 -Wvla -Werror
OPT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LINK_release := -pie -Wl,-z,relro,-z,now
OPT_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LINK_asan := -fsanitize=address,undefined
OPT_cover := -O0 -g --coverage
LINK_cover := --coverage
OPT_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -Wno-unknown-warning-option
LINK_fuzz := -fsanitize=address,undefined

# pkg-config is asked when something is compiled, after deps have been installed, and not when this file is read.
LIBS_ALL = $(shell $(PKG_CONFIG) --libs $(PKGS)) -lcsv -lunistring
CFLAGS_ALL = $(CSTD) $(WARN) $(OPT_$(MODE)) -I. -I$(BUILD) -DMVCHAT_VERSION='"$(VERSION)"' -DMVCHAT_LOCALEDIR='"$(PREFIX)/share/locale"' $(CFLAGS)
CFLAGS_PKG = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(PKGS) $(TEST_PKGS)))

DIRS := core importers mapping exporters replay sandbox cli
SRC := $(sort $(wildcard $(addsuffix /*.c,$(DIRS))))
LIB_SRC := $(filter-out cli/main.c,$(SRC))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o)
BIN := $(BUILD)/mvchat
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
TOOL_SRC := $(sort $(wildcard tests/tools/*.c))
TOOL_BIN := $(TOOL_SRC:tests/tools/%.c=$(BUILD)/tools/%)

.PHONY: all test demo deps lint layers install clean unit tools
.DELETE_ON_ERROR:
.SECONDARY:
all: $(BIN)

# SQL and web files become C arrays: "x.sql" -> $(BUILD)/x.sql.h with `static const char x_sql[]`-style names made by the script.
EMBED := $(wildcard replay/*.sql sandbox/*.sql sandbox/page/* cli/page/*)
EMBED_H := $(EMBED:%=$(BUILD)/embed/%.h)
$(BUILD)/embed/%.h: % tests/tools/embed.sh
	@mkdir -p $(@D)
	sh tests/tools/embed.sh $< > $@

$(BUILD)/%.o: %.c | $(EMBED_H)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_PKG) -MMD -MP -c -o $@ $<

$(BUILD)/libmvchat.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BIN): $(BUILD)/cli/main.o $(BUILD)/libmvchat.a
	$(CC) $(LINK_$(MODE)) -o $@ $^ $(LIBS_ALL) $(LDFLAGS)

# A unit test is one program linked against the library; it speaks TAP through cmocka.
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libmvchat.a
	@mkdir -p $(@D)
	$(CC) $(LINK_$(MODE)) -o $@ $^ $(LIBS_ALL) $(shell $(PKG_CONFIG) --libs cmocka) $(LDFLAGS)

$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(BUILD)/libmvchat.a
	@mkdir -p $(@D)
	$(CC) $(LINK_$(MODE)) -o $@ $^ $(LIBS_ALL) $(LDFLAGS)

# Put before the C library's by tests: a network that fails, a death while one file is written.
PRELOAD := $(patsubst tests/tools/preload/%.c,$(BUILD)/tools/%.so,$(wildcard tests/tools/preload/*.c))
$(BUILD)/tools/%.so: tests/tools/preload/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -Wall -Wextra -Wshadow -Werror -O2 -fPIC -shared -o $@ $< -ldl

# Fuzz targets are always built, as plain programs that replay their corpus, so that they cannot rot; `make fuzz` explores.
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay_main.o $(BUILD)/libmvchat.a
	@mkdir -p $(@D)
	$(CC) $(LINK_$(MODE)) -o $@ $^ $(LIBS_ALL) $(LDFLAGS)

# Russian: po/ru.po -> $(BUILD)/locale, found beside the binary; installed under PREFIX/share/locale.
MO := $(BUILD)/locale/ru/LC_MESSAGES/mvchat.mo
$(MO): po/ru.po
	@mkdir -p $(@D)
	msgfmt --check -o $@ $<

unit: $(UNIT_BIN)
tools: $(TOOL_BIN)
.PHONY: everything
everything: $(BIN) $(MO) $(UNIT_BIN) $(TOOL_BIN) $(PRELOAD) $(FUZZ_BIN)

deps:
	@sh tests/tools/deps.sh

# Two modes one after the other; MODE=asan runs that one alone.
JOBS := $(shell nproc 2>/dev/null || echo 2)
ifeq ($(origin MODE),command line)
TEST_MODES := $(MODE)
else
TEST_MODES := release asan
endif
test: deps
	@for m in $(TEST_MODES); do $(MAKE) -s -j$(JOBS) MODE=$$m everything || { echo '0 passed, 1 failed'; exit 1; }; done
	@MODES='$(TEST_MODES)' sh tests/all.sh

demo: deps
	@$(MAKE) -s -j$(JOBS) MODE=release build/release/mvchat $(MO) || exit 1
	@sh tests/e2e/demo.sh

# The exports of one chat from three phones, as one history with its photos.
.PHONY: demo-whatsapp
demo-whatsapp: deps
	@$(MAKE) -s -j$(JOBS) MODE=release build/release/mvchat build/release/tools/gen_whatsapp $(MO) || exit 1
	@sh tests/e2e/demo_whatsapp.sh

layers:
	@sh tests/layers.sh

# Every durable step killed, every fault at every request, and random scenarios; with SEED=n or RUNS=n only these.
.PHONY: chaos bench valgrind fuzz cover contract
chaos: deps
	@$(MAKE) -s -j$(JOBS) MODE=release everything
	@$(if $(SEED)$(RUNS),,build/release/tools/chaos &&) build/release/tools/storm --file tests/chaos/regressions && \
		build/release/tools/storm --seed $(or $(SEED),1) --runs $(or $(RUNS),500)

# Takes one guard at a time away in a scratch copy; every one must make a test fail.
.PHONY: mutants test-s3
mutants: deps
	@$(MAKE) -s -j$(JOBS) MODE=release everything
	@sh tests/tools/mutants.sh

# The upload form against a real S3 (Ceph RGW from the distribution); needs root, says skipped where it cannot be installed.
test-s3: deps
	@$(MAKE) -s -j$(JOBS) MODE=release everything
	@sh tests/e2e/s3.sh

# The pictures of the READMEs, taken anew; needs Chromium and npm.
.PHONY: screens
screens:
	@MVCHAT_FULL=1 sh tests/tools/deps.sh
	@$(MAKE) -s -j$(JOBS) MODE=release everything
	@sh tests/tools/screens.sh

bench: deps
	@$(MAKE) -s -j$(JOBS) MODE=release everything
	@sh tests/bench/bench.sh
	@sh tests/bench/bench_mapping.sh

valgrind: deps
	@command -v valgrind >/dev/null || { echo 'valgrind is not installed' >&2; exit 1; }
	@$(MAKE) -s -j$(JOBS) MODE=release everything
	@sh tests/tools/valgrind.sh

# make fuzz F=json T=60; make fuzz-campaign T=900 TARGETS='vault json' tells the processor time too.
F ?= json
T ?= 60
.PHONY: fuzz-build fuzz-campaign
fuzz-build:
	@$(MAKE) -s -j$(JOBS) CC=clang MODE=fuzz build/fuzz/libmvchat.a
	clang $(CSTD) $(OPT_fuzz) -I. -Ibuild/fuzz $(CFLAGS_PKG) -fsanitize=fuzzer -o build/fuzz/fuzz_$(F) tests/fuzz/fuzz_$(F).c build/fuzz/libmvchat.a $(LIBS_ALL)
fuzz: fuzz-build
	mkdir -p build/fuzz/found_$(F)
	build/fuzz/fuzz_$(F) -max_total_time=$(T) -timeout=10 -rss_limit_mb=2048 build/fuzz/found_$(F) $(if $(filter pachca_parse,$(F)),fixtures/http/pachca,tests/fuzz/corpus/$(F))
fuzz-campaign: deps
	@MAKE='$(MAKE)' sh tests/tools/fuzz_campaign.sh $(T) $(TARGETS)

lint:
	@sh tests/tools/lint.sh

install: $(BIN) $(MO)
	BUILD=$(BUILD) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) sh packaging/install.sh

.PHONY: tarball
tarball: deps
	@$(MAKE) -s -j$(JOBS) MODE=release build/release/mvchat $(MO)
	@LIBS='$(LIBS_ALL)' CC='$(CC)' sh packaging/tarball.sh

.PHONY: deb
deb: deps
	@$(MAKE) -s -j$(JOBS) MODE=release build/release/mvchat $(MO)
	@sh packaging/deb.sh

clean:
	rm -rf build

-include $(FUZZ_SRC:%.c=$(BUILD)/%.d) $(BUILD)/tests/fuzz/replay_main.d $(LIB_OBJ:.o=.d) $(UNIT_SRC:%.c=$(BUILD)/%.d) $(TOOL_SRC:%.c=$(BUILD)/%.d) $(BUILD)/cli/main.d
