//! Rust source -> the paths that it names, resolved as far as an import law needs it. A lexer of a page, not a parser: it
//! sees `use` trees, inline paths, `self`, `super` and inline modules, and skips `#[cfg(test)]` modules.

/// A path in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// From 1.
    pub line: usize,
    /// Whether it begins at this crate's root.
    pub is_local: bool,
    /// Segments; a glob is "*".
    pub segments: Vec<String>,
    /// Whether it stands in a `use`.
    pub is_use: bool,
}

impl Named {
    /// As written, without `crate::`.
    pub fn text(&self) -> String {
        self.segments.join("::")
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    PathSep,
    Mark(char),
}

/// Comments and literals become blanks; line breaks stay.
pub fn without_comments_and_literals(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while at < chars.len() {
        let rest = &chars[at..];
        let end = if rest.starts_with(&['/', '/']) {
            rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
        } else if rest.starts_with(&['/', '*']) {
            end_of_block_comment(rest)
        } else if let Some(end) = end_of_raw_text(rest, at.checked_sub(1).map(|i| chars[i])) {
            end
        } else if rest[0] == '"' {
            end_of_text(rest)
        } else if rest[0] == '\'' {
            end_of_char(rest)
        } else {
            0
        };
        if end == 0 {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(rest[..end].iter().map(|c| blank(*c)));
            at += end;
        }
    }
    out
}

fn end_of_block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0usize, 0usize);
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn end_of_raw_text(rest: &[char], before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let prefix = match rest {
        ['r', ..] => 1,
        ['b' | 'c', 'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    if rest.get(prefix + hashes) != Some(&'"') {
        return None;
    }
    let body = prefix + hashes + 1;
    let mut at = body;
    while at < rest.len() {
        let closes = rest[at] == '"'
            && rest[at + 1..].len() >= hashes
            && rest[at + 1..][..hashes].iter().all(|c| *c == '#');
        if closes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(rest.len())
}

fn end_of_text(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// 0 for a lifetime.
fn end_of_char(rest: &[char]) -> usize {
    match rest {
        [_, '\\', ..] => {
            let close = rest[3.min(rest.len())..].iter().position(|c| *c == '\'');
            close.map_or(0, |close| close + 4)
        }
        [_, _, '\'', ..] => 3,
        _ => 0,
    }
}

fn tokens(blank: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = blank.chars().collect();
    let (mut list, mut line, mut at) = (Vec::new(), 1, 0);
    while at < chars.len() {
        let c = chars[at];
        if c == '\n' {
            line += 1;
        }
        if c.is_alphabetic() || c == '_' {
            let end = chars[at..]
                .iter()
                .position(|c| !(c.is_alphanumeric() || *c == '_'))
                .map_or(chars.len(), |end| at + end);
            list.push((line, Token::Word(chars[at..end].iter().collect())));
            at = end;
        } else if c == ':' && chars.get(at + 1) == Some(&':') {
            list.push((line, Token::PathSep));
            at += 2;
        } else {
            if !c.is_whitespace() {
                list.push((line, Token::Mark(c)));
            }
            at += 1;
        }
    }
    list
}

/// The module path of a source file: `src/core/input.rs` is `[core, input]`.
fn module_of(file: &str) -> Vec<String> {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    let stem = inside.strip_suffix(".rs").unwrap_or(inside);
    let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(
        parts.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        parts.pop();
    }
    parts
}

/// Every path that `source`, as `file`, names outside of its tests.
pub fn named_paths(file: &str, source: &str) -> Vec<Named> {
    let tokens = tokens(&without_comments_and_literals(source));
    let mut walk = Walk {
        tokens: &tokens,
        at: 0,
        module: module_of(file),
        found: Vec::new(),
    };
    walk.run();
    walk.found
}

struct Walk<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    module: Vec<String>,
    found: Vec<Named>,
}

impl Walk<'_> {
    fn word(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead) {
            Some((_, Token::Word(word))) => Some(word),
            _ => None,
        }
    }

    fn is(&self, ahead: usize, token: &Token) -> bool {
        self.tokens
            .get(self.at + ahead)
            .is_some_and(|(_, other)| other == token)
    }

    fn run(&mut self) {
        let mut depth = 0usize;
        // Depths at which inline modules close.
        let mut open: Vec<usize> = Vec::new();
        while self.at < self.tokens.len() {
            if self.at_test_module() {
                self.skip_block();
                continue;
            }
            match &self.tokens[self.at].1 {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => {
                    depth = depth.saturating_sub(1);
                    if open.last() == Some(&depth) {
                        open.pop();
                        self.module.pop();
                    }
                }
                Token::Word(word) if word == "mod" && self.is(2, &Token::Mark('{')) => {
                    if let Some(name) = self.word(1) {
                        self.module.push(name.to_owned());
                        open.push(depth);
                    }
                    depth += 1;
                    self.at += 3;
                    continue;
                }
                Token::Word(word) if word == "use" => {
                    self.at += 1;
                    // A leading `::` names a crate.
                    if self.is(0, &Token::PathSep) {
                        self.at += 1;
                    }
                    self.use_tree(&[]);
                    continue;
                }
                Token::Word(_) if self.is(1, &Token::PathSep) => {
                    self.inline_path();
                    continue;
                }
                Token::Word(_) | Token::PathSep | Token::Mark(_) => {}
            }
            self.at += 1;
        }
    }

    /// `#[cfg(test)] mod name {`, with the position at `#`.
    fn at_test_module(&self) -> bool {
        let head: String = self.tokens[self.at..]
            .iter()
            .take(7)
            .map(|(_, token)| match token {
                Token::Word(word) => word.clone(),
                Token::PathSep => "::".to_owned(),
                Token::Mark(c) => c.to_string(),
            })
            .collect();
        head == "#[cfg(test)]" && self.word(7) == Some("mod") && self.is(9, &Token::Mark('{'))
    }

    fn skip_block(&mut self) {
        self.at += 9;
        let mut depth = 0usize;
        while let Some((_, token)) = self.tokens.get(self.at) {
            self.at += 1;
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                Token::Word(_) | Token::PathSep | Token::Mark(_) => {}
            }
        }
    }

    fn inline_path(&mut self) {
        let line = self.tokens[self.at].0;
        let mut segments = Vec::new();
        while let Some(word) = self.word(0) {
            segments.push(word.to_owned());
            self.at += 1;
            if !(self.is(0, &Token::PathSep) && self.word(1).is_some()) {
                break;
            }
            self.at += 1;
        }
        self.note(line, segments, false);
    }

    /// One branch of a `use`, up to `,`, `}` or `;`.
    fn use_tree(&mut self, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |(line, _)| *line);
        loop {
            match self.tokens.get(self.at).map(|(_, token)| token.clone()) {
                Some(Token::Word(word)) if word == "as" => self.at += 2,
                Some(Token::Word(word)) => {
                    segments.push(word);
                    self.at += 1;
                }
                Some(Token::PathSep) => self.at += 1,
                Some(Token::Mark('*')) => {
                    segments.push("*".to_owned());
                    self.at += 1;
                }
                Some(Token::Mark('{')) => {
                    self.at += 1;
                    while !self.is(0, &Token::Mark('}')) && self.at < self.tokens.len() {
                        let before = self.at;
                        self.use_tree(&segments);
                        // A mark that no `use` has: never stand still.
                        if self.is(0, &Token::Mark(',')) || self.at == before {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Some(Token::Mark(_)) | None => break,
            }
        }
        // `{self, ..}` names the module itself.
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        if !segments.is_empty() {
            self.note(line, segments, true);
        }
        // A `;` or a stray mark: never stand still.
        if self.is(0, &Token::Mark(';')) || prefix.is_empty() {
            self.at += 1;
        }
    }

    fn note(&mut self, line: usize, mut segments: Vec<String>, is_use: bool) {
        let mut base = self.module.clone();
        let is_local = match segments[0].as_str() {
            "crate" | "tandem" => {
                segments.remove(0);
                true
            }
            "self" => {
                segments.remove(0);
                base.append(&mut segments);
                segments = base;
                true
            }
            "super" => {
                while segments.first().is_some_and(|first| first == "super") {
                    segments.remove(0);
                    base.pop();
                }
                base.append(&mut segments);
                segments = base;
                true
            }
            _ => false,
        };
        if !segments.is_empty() {
            self.found.push(Named {
                line,
                is_local,
                segments,
                is_use,
            });
        }
    }
}
