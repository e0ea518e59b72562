//! Aligned columns.

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows of plain cells, painted after they were measured.
#[derive(Clone, Debug, Default)]
pub struct Table {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With this alignment of its columns; further columns are text.
    pub fn new(align: &[Align]) -> Self {
        Self { align: align.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<I: IntoIterator<Item = S>, S: Into<String>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, each after `indent`; `paint` is given row, column and the padded cell.
    pub fn render(&self, indent: &str, paint: impl Fn(usize, usize, &str) -> String) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut out = String::new();
        for (row_index, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column] - cell.chars().count());
                let padded = match self.align.get(column) {
                    Some(Align::Right) => format!("{padding}{cell}"),
                    _ if column + 1 == row.len() => cell.clone(),
                    _ => format!("{cell}{padding}"),
                };
                if column > 0 {
                    line.push_str("  ");
                }
                line.push_str(&paint(row_index, column, &padded));
            }
            out.push_str(indent);
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&[Align::Left, Align::Right]);
        table.row(["a", "1", "x"]);
        table.row(["long", "1,000"]);
        table.row(["é", "20", "last column"]);
        let plain = table.render("  ", |_, _, cell| cell.to_owned());
        assert_eq!(plain, "  a         1  x\n  long  1,000\n  é        20  last column\n");
    }
}
