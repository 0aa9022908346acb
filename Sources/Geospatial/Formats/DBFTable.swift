internal import CGDAL
internal import Glibc

/// The attribute table of a shapefile, inside an archive too.
enum DBFTable {
  /// Rows that are not marked as deleted; nil where the table cannot be read. GDAL counts the marked ones and reads past them.
  static func liveRows(besideShapefile name: String) -> Int64? {
    ErrorCapture.during { _ in
      let stem = String(name.dropLast(4))
      guard let file = VSIFOpenL(stem + ".dbf", "rb") ?? VSIFOpenL(stem + ".DBF", "rb") else { return nil }
      defer { VSIFCloseL(file) }
      var header = [UInt8](repeating: 0, count: 32)
      guard VSIFReadL(&header, 1, 32, file) == 32 else { return nil }
      let (rows, start, width) = (header.little32(4), header.little16(8), header.little16(10))
      guard width > 0 else { return nil }
      let batch = max(1, (1 << 20) / width)
      var bytes = [UInt8](repeating: 0, count: batch * width)
      var live: Int64 = 0
      var done = 0
      guard VSIFSeekL(file, vsi_l_offset(start), SEEK_SET) == 0 else { return nil }
      while done < rows {
        let wanted = min(batch, rows - done)
        guard VSIFReadL(&bytes, width, wanted, file) == wanted else { return nil }
        for row in 0..<wanted where bytes[row * width] != UInt8(ascii: "*") { live += 1 }
        done += wanted
      }
      return live
    }
  }
}
