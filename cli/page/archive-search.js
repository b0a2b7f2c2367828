'use strict';
// The search of an archive that lies on a disk. The texts are in pieces, search/N.js, each a call of archive_shard with data: a
// page opened from disk may run the scripts beside it, though it may not fetch files. Pieces are read one after the other and
// let go again, so that memory does not grow with the archive. What is asked stands in the address: #q=words&c=conversation.
(function () {
	var PAGE = 100, AROUND = 160, KEEP = 48;
	var index = null, shard = null, kept = {}, run = 0;
	function el(id) { return document.getElementById(id); }
	var state = el('state'), results = el('results'), more = el('more'), q = el('q'), where = el('in'), words = state.dataset;

	window.archive_index = function (x) { index = x; };
	window.archive_shard = function (n, groups) { shard = { n: n, groups: groups }; };

	function script(src) {
		return new Promise(function (done, fail) {
			var s = document.createElement('script');
			s.src = src;
			s.onload = function () { s.remove(); done(); };
			s.onerror = function () { s.remove(); fail(new Error(src)); };
			document.head.append(s);
		});
	}
	async function load(n) {
		if (kept[n])
			return kept[n];
		await script('search/' + n + '.js');
		if (!shard || shard.n !== n)
			throw new Error('search/' + n + '.js');
		var groups = shard.groups;
		shard = null;
		if (index.shards <= KEEP)
			kept[n] = groups;
		return groups;
	}

	// Letters alike: case, and ё as е, which Russian writers use as they please.
	function fold(s) { return s.toLowerCase().replace(/ё/g, 'е'); }
	function terms(s) {
		var out = [];
		fold(s).replace(/"([^"]+)"|([^\s"]+)/g, function (_, phrase, word) { out.push(phrase || word); });
		return out;
	}

	function name_of(conv) { return (conv[2] === 'public' || conv[2] === 'private' ? '#' : '') + conv[1]; }
	function say(form, a, b) { return form.replace('%1', a).replace('%2', b); }
	function piece(tag, text, cls) {
		var e = document.createElement(tag);
		e.textContent = text;
		if (cls)
			e.className = cls;
		return e;
	}
	// The text around the first word found, with the words marked. Places count only while folding kept the length.
	function excerpt(text, folded, list) {
		var p = document.createElement('p'), first = -1, hits = [];
		p.dir = 'auto';
		if (folded.length === text.length)
			list.forEach(function (t) {
				for (var at = folded.indexOf(t), n = 0; at >= 0 && n < 20; at = folded.indexOf(t, at + t.length), n++) {
					hits.push([at, at + t.length]);
					if (first < 0 || at < first)
						first = at;
				}
			});
		hits.sort(function (a, b) { return a[0] - b[0]; });
		var from = Math.max(0, first - AROUND), to = Math.min(text.length, Math.max(first, 0) + 2 * AROUND), at = from;
		if (from)
			p.append('… ');
		hits.forEach(function (h) {
			if (h[0] < at || h[1] > to)
				return;
			p.append(text.slice(at, h[0]), piece('mark', text.slice(h[0], h[1])));
			at = h[1];
		});
		p.append(text.slice(at, to), to < text.length ? ' …' : '');
		return p;
	}
	function show(conv, page, m, author, folded, list) {
		var hit = document.createElement('div'), by = document.createElement('div'), a = piece('a', name_of(conv) + ' · ' + m[2]);
		a.href = 'c/' + conv[0] + '/' + page + '#' + m[0];
		by.append(piece('b', author), ' ', a);
		hit.className = 'hit';
		hit.append(by, excerpt(m[3], folded, list));
		results.append(hit);
	}

	function wait() {
		return new Promise(function (done) {
			more.hidden = false;
			more.onclick = function () { more.hidden = true; done(); };
		});
	}

	async function search(ask, only, mine) {
		var list = terms(ask), convs = {}, first = 0, last = index.shards - 1, found = 0, stop = PAGE, began;
		results.textContent = '';
		more.hidden = true;
		state.textContent = '';
		if (!list.length)
			return;
		index.convs.forEach(function (c) {
			convs[c[0]] = c;
			if (String(c[0]) === only) {
				first = c[3];
				last = c[4];
			}
		});
		began = first;
		for (var n = first; n <= last; n++) {
			state.textContent = say(words.busy, n - began + 1, last - began + 1);
			var groups = await load(n);
			for (var g = 0; g < groups.length; g++) {
				var conv = convs[groups[g][0]];
				if (!conv || (only && String(conv[0]) !== only))
					continue;
				for (var i = 0; i < groups[g][2].length; i++) {
					var m = groups[g][2][i], author = typeof m[1] === 'number' ? index.people[m[1]] : m[1], folded = fold(m[3]), by = null;
					var all = list.every(function (t) {
						if (folded.indexOf(t) >= 0)
							return true;
						by = by === null ? fold(author) : by;
						return by.indexOf(t) >= 0;
					});
					if (!all)
						continue;
					if (found === stop) {
						state.textContent = say(words.stopped, found);
						await wait();
						stop += PAGE;
						if (mine !== run)
							return;
					}
					found++;
					show(conv, groups[g][1], m, author, folded, list);
				}
			}
			if (mine !== run)
				return;
		}
		state.textContent = found ? say(words.found, found) : words.none;
	}

	function asked() {
		var h = new URLSearchParams(location.hash.slice(1)), s = new URLSearchParams(location.search);
		return { q: h.has('q') ? h.get('q') : s.get('q') || '', c: h.get('c') || s.get('c') || '' };
	}
	function go() {
		var a = asked(), mine = ++run;
		q.value = a.q;
		where.value = a.c;
		search(a.q, where.value, mine).catch(function (e) { state.textContent = say(words.broken, e.message); });
	}
	el('ask').addEventListener('submit', function (e) {
		e.preventDefault();
		var to = '#' + new URLSearchParams({ q: q.value, c: where.value });
		if (location.hash === to)
			go();
		else
			location.hash = to;
	});
	addEventListener('hashchange', go);
	script('search/index.js').then(function () {
		index.convs.forEach(function (c) {
			var o = piece('option', name_of(c));
			o.value = c[0];
			where.append(o);
		});
		go();
	}).catch(function (e) { state.textContent = say(words.broken, e.message); });
	q.focus();
})();
