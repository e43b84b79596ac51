//! What dyld finds in an image by name: what its export trie says, and its symbol table
//! only where there is no trie. A trie with damage anywhere is refused.

use object::LittleEndian as LE;
use object::macho;
use object::read::macho::{
    ExportData, ExportsTrieIterator, LoadCommandData, LoadCommandVariant, Nlist,
};

use super::error::Result;
use super::image::{Header, Image, text};
use super::segments::plus;

impl Image {
    /// Reads the exports; the segments are known.
    pub(super) fn exports(
        &mut self,
        commands: &[LoadCommandData<'_, LE>],
        bytes: &[u8],
    ) -> Result<()> {
        let (mut trie, mut table) = (None, None);
        for command in commands {
            match command.variant()? {
                LoadCommandVariant::DyldInfo(info) if info.export_size.get(LE) > 0 => {
                    trie = Some(info.exports_trie(LE, bytes)?);
                }
                LoadCommandVariant::LinkeditData(part)
                    if command.cmd() == macho::LC_DYLD_EXPORTS_TRIE
                        && part.datasize.get(LE) > 0 =>
                {
                    trie = Some(part.exports_trie(LE, bytes)?);
                }
                LoadCommandVariant::Symtab(found) => table = Some(found),
                _ => {}
            }
        }
        match (trie, table) {
            (Some(trie), _) => self.of_trie(trie),
            (None, Some(table)) => self.of_table(table, bytes),
            (None, None) => Ok(()),
        }
    }

    fn of_trie(&mut self, trie: ExportsTrieIterator<'_>) -> Result<()> {
        let base = self.segments.base();
        for export in trie {
            let export = export?;
            let name = text(export.name());
            let is_absolute = export.flags().kind() == macho::EXPORT_SYMBOL_FLAGS_KIND_ABSOLUTE;
            match *export.data() {
                ExportData::Regular { address } if is_absolute => {
                    self.absolute.insert(name, address);
                }
                ExportData::Regular { address } => {
                    self.symbols.insert(name, plus(base, address)?);
                }
                ExportData::Reexport {
                    dylib_ordinal,
                    import_name,
                } => {
                    let there = match import_name {
                        [] => name.clone(),
                        other => text(other),
                    };
                    self.reexports.insert(name, (dylib_ordinal, there));
                }
                ExportData::StubAndResolver { .. } => self
                    .unsupported
                    .push(format!("`{name}`, whose address a function chooses,")),
            }
        }
        Ok(())
    }

    fn of_table(&mut self, table: &macho::SymtabCommand<LE>, bytes: &[u8]) -> Result<()> {
        let table = table.symbols::<Header, _>(LE, bytes)?;
        for symbol in table.iter() {
            if symbol.is_definition() && symbol.n_type().is_ext() {
                let name = text(symbol.name(LE, table.strings())?);
                self.symbols.insert(name, symbol.n_value(LE));
            }
        }
        Ok(())
    }
}
