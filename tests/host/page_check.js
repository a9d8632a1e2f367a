// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Put at the end of a page of `explain --html` by test_page.sh: looks at what the browser made of it and leaves the
// result as text. Everything is measured as it is drawn.
'use strict';
const problems = [];
const say = (what) => problems.push(what);
const svg = document.querySelector('#ladder svg');
const frame = svg.getBoundingClientRect();
const marks = [...svg.querySelectorAll('g.mark[data-kind]')];
const inside = (r) => r.left >= frame.left - 1 && r.right <= frame.right + 1 &&
	r.top >= frame.top - 1 && r.bottom <= frame.bottom + 1;

// every fact is there to be seen, every message as an arrow between the two gateways
const drawn = {};
const labels = [];
for (const mark of marks) {
	const kind = mark.dataset.kind, name = mark.querySelector('title').textContent;
	const label = mark.querySelector('text').getBoundingClientRect();
	const sign = mark.querySelector('line.arrow, circle, rect, path.none');
	if (label.width < 20 || !inside(label)) say(`label not within the picture: ${name}`);
	if (kind === 'message') {
		const arrow = mark.querySelector('line.arrow').getBoundingClientRect();
		if (arrow.width < 100 || !inside(arrow)) say(`no arrow: ${name}`);
	} else if (kind !== 'note' && (!sign || sign.getBoundingClientRect().width < 4)) {
		say(`no sign: ${name}`);
	}
	labels.push([label, name]);
	drawn[kind] = (drawn[kind] || 0) + 1;
}
for (let i = 1; i < labels.length; i++)
	if (labels[i][0].top < labels[i - 1][0].bottom - 3) say(`labels overlap: ${labels[i][1]}`);
for (let i = 1; i < marks.length; i++) {
	const y = (m) => (m.querySelector('line.arrow, circle, rect, path.none') ||
		m.querySelector('path.lead')).getBoundingClientRect().top;
	if (y(marks[i]) < y(marks[i - 1]) - 12) say(`not in order of time: ${labels[i][1]}`);
}

// text can be told from what is behind it (WCAG 2, 1.4.3: 4.5 to 1)
const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = (c) => {
	const [r, g, b] = c.match(/[\d.]+/g).map(Number);
	return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
};
const behind = (e) => {
	for (; e; e = e.parentElement) {
		const c = getComputedStyle(e).backgroundColor;
		if (!/, 0\)$/.test(c)) return c;
	}
	return 'rgb(255, 255, 255)';
};
let lowest = 99;
for (const e of document.querySelectorAll('h1, h2, p, pre, td, th, li, a, span, figcaption, svg text, svg tspan')) {
	const style = getComputedStyle(e), a = light(e.closest('svg') ? style.fill : style.color), b = light(behind(e));
	const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
	lowest = Math.min(lowest, ratio);
	if (ratio < 4.5) say(`contrast ${ratio.toFixed(1)}: ${e.textContent.slice(0, 40)}`);
}

// keyboard: each mark takes the focus, and shows it (a headless window may be without one: then by the rule)
const rules = [...document.styleSheets[0].cssRules].map((r) => r.cssText).join('\n');
if (!/\.mark:focus-visible \{[^}]*outline: 2px solid/.test(rules)) say('no rule shows the focus');
for (const e of document.querySelectorAll('[tabindex]')) {
	e.focus({ focusVisible: true });
	if (document.activeElement !== e) say('a mark does not take the focus');
	if (document.hasFocus() && e.matches(':focus-visible') && getComputedStyle(e).outlineStyle === 'none') say('the focus is not seen');
}
for (const a of document.querySelectorAll('nav a'))
	if (!document.querySelector(a.getAttribute('href'))) say(`${a.getAttribute('href')} leads nowhere`);
if (document.documentElement.scrollWidth > innerWidth) say('the page is wider than the window');
if (performance.getEntriesByType('resource').length) say('it fetched something');
if (document.querySelectorAll('script').length !== 1) say('it has scripts');

const result = document.createElement('pre');
result.id = 'result';
result.textContent = JSON.stringify({ drawn, bars: svg.querySelectorAll('g.mark[data-spi]').length,
	dark: matchMedia('(prefers-color-scheme: dark)').matches, lowest: +lowest.toFixed(2), problems });
document.body.append(result);
