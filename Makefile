# mvchat: GNU make, one file, no recursion.
#   make            build build/release/mvchat         make test   everything a commit must pass
#   make demo       the main job on fixtures           make deps   install what is missing
#   MODE=asan       the same under ASan + UBSan        CC=clang    the second compiler
MODE ?= release
BUILD := build/$(MODE)
PREFIX ?= /usr/local
VERSION := 0.1.0
PKG_CONFIG ?= pkg-config
PKGS := libzip libarchive jansson yajl libfyaml sqlite3 libcurl libxml-2.0 libpcre2-8 libmicrohttpd libxxhash nettle
TEST_PKGS := cmocka

CSTD := -std=c11 -D_XOPEN_SOURCE=700
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wformat=2 -Wvla -Werror
OPT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LINK_release := -pie -Wl,-z,relro,-z,now
OPT_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LINK_asan := -fsanitize=address,undefined
OPT_cover := -O0 -g --coverage
LINK_cover := --coverage
OPT_bench := $(OPT_release)
LINK_bench := $(LINK_release)

# pkg-config is asked when something is compiled, after deps have been installed, and not when this file is read.
LIBS_ALL = $(shell $(PKG_CONFIG) --libs $(PKGS)) -lcsv -lunistring
CFLAGS_ALL = $(CSTD) $(WARN) $(OPT_$(MODE)) -I. -I$(BUILD) -DMVCHAT_VERSION='"$(VERSION)"' $(CFLAGS)
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
all: $(BIN)

# SQL and web files become C arrays: "x.sql" -> $(BUILD)/x.sql.h with `static const char x_sql[]`-style names made by the script.
EMBED := $(wildcard replay/*.sql sandbox/*.sql sandbox/page/*)
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

unit: $(UNIT_BIN)
tools: $(TOOL_BIN)

clean:
	rm -rf build

-include $(LIB_OBJ:.o=.d) $(UNIT_SRC:%.c=$(BUILD)/%.d) $(TOOL_SRC:%.c=$(BUILD)/%.d) $(BUILD)/cli/main.d
