import Geospatial
import Glibc

/// `--self-test` and `--version`: whether the libraries load and which they are, as one JSON object on stdout.
enum SelfTest {
  static func run() -> Int32 {
    GDALLibrary.configure()
    let versions = GDALLibrary.versions
    let missing = GDALLibrary.missingDrivers
    print(
      """
      {"gdal":"\(versions.gdal)","proj":"\(versions.proj)","geos":"\(versions.geos)",\
      "missing_drivers":[\(missing.map { "\"\($0)\"" }.joined(separator: ","))],\
      "transformation":\(GDALLibrary.canTransform)}
      """)
    return missing.isEmpty && GDALLibrary.canTransform ? 0 : 1
  }
}
