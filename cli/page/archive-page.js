'use strict';
// A message that is linked to may stand in a folded thread: unfold it. Without this script the thread is unfolded by hand.
(function () {
	function unfold() {
		var at = document.getElementById(decodeURIComponent(location.hash.slice(1)));
		for (var p = at; p; p = p.parentElement)
			if (p.tagName === 'DETAILS')
				p.open = true;
		if (at)
			at.scrollIntoView();
	}
	addEventListener('hashchange', unfold);
	if (location.hash)
		unfold();
})();
