import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { htmlToText } from './html-text.ts';

describe('what a reader sees of HTML', () => {
  it.each([
    ['plain text', 'plain text'],
    ['<p>one</p><p>two</p>', 'one\n\ntwo'],
    ['one<br>two<br/>three', 'one\ntwo\nthree'],
    ['<div>one</div>\n  <div>two</div>', 'one\n\ntwo'],
    ['<ul><li>a</li><li>b</li></ul>', 'a\n\nb'],
    ['<b>bold</b> and <i class="x>y">italic</i>', 'bold and y">italic'],
    ['&lt;b&gt; &amp; &quot;&#228;&#xE4;&auml;&nbsp;&euro;&mdash;', '<b> & "äää €—'],
    ['&unknown; &#xFFFFFF; & &;', '&unknown; & &;'],
    ['<script>alert("<p>x</p>")</script>y', 'y'],
    ['<STYLE>p{}</STYLE >y', 'y'],
    ['<style>p{}', ''],
    ['<scripts>kept</scripts>', 'kept'],
    ['<html><head><title>no</title><meta charset=utf-8><body>yes', 'yes'],
    ['a<!-- <p>x</p> -->b<!doctype html>c<?php x?>d', 'abcd'],
    ['a<!-- never ends > x', 'a'],
    ['1 < 2 and 3 > 2', '1 < 2 and 3 > 2'],
    ['a <b and no end', 'a <b and no end'],
    ['<table><tr><td>a</td><td>b</td></tr></table>', 'a b'],
    ['  lots   of\n\n\n white   space ', 'lots of white space'],
    ['<a href="https://example.com">link</a>', 'link'],
    ['', ''],
  ])('%j', (html, text) => {
    expect(htmlToText(html)).toBe(text);
  });

  it('never throws, and never grows much', () => {
    const soup = fc.array(
      fc.constantFrom('<', '>', '&', '#', ';', '<p>', '</', '<!--', '-->', '<script>', '&#x41;', 'a', ' ', '"'),
    );
    fc.assert(
      fc.property(soup, (parts) => {
        const html = parts.join('');
        expect(htmlToText(html).length).toBeLessThanOrEqual(html.length + 1);
      }),
    );
  });

  it.each(['<', '<a', '<!--', '<script>', '&', '&#', '&#32;', '<p>', '</script', ' \n', '<style></style'])(
    'takes linear time for many %j',
    (piece) => {
      const took = (n: number): number => {
        const html = `${piece.repeat(n)}>`;
        const start = performance.now();
        htmlToText(html);
        return performance.now() - start;
      };
      took(1_000);
      expect(took(20_000)).toBeLessThan(250);
    },
  );
});
