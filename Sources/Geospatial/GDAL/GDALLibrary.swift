internal import CGDAL
internal import Glibc

/// GDAL as this process uses it.
public enum GDALLibrary {
  /// Versions of the libraries that read the data.
  public struct Versions: Sendable, Equatable {
    public var gdal: String
    public var proj: String
    public var geos: String
  }

  /// Registers the drivers and sets the options every task relies on. Call once, before any other thread exists: it also
  /// changes the environment.
  ///
  /// - Parameter scratch: folder for GDAL's temporary files.
  public static func configure(scratch: String? = nil) {
    // Proxies and credentials of the surroundings must not lead reads of a local file anywhere.
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] { unsetenv(name) }
    setenv("PROJ_NETWORK", "OFF", 1)
    unsetenv("GDAL_DRIVER_PATH")  // No plug-ins from elsewhere.
    set("GDAL_DRIVER_PATH", "disable")
    set("GDAL_PYTHON_DRIVER_PATH", "")
    set("GDAL_VRT_ENABLE_PYTHON", "NO")
    set("CPL_VSIL_CURL_ALLOWED_EXTENSIONS", "{noext}")
    set("GDAL_HTTP_MAX_RETRY", "0")
    set("GDAL_DISABLE_READDIR_ON_OPEN", "TRUE")  // Siblings are opened by name; a folder may hold millions of files.
    set("GDAL_NUM_THREADS", "1")
    set("GDAL_CACHEMAX", "64")
    set("OGR_GEOMETRY_ACCEPT_UNCLOSED_RING", "NO")
    set("OGR_ENABLE_PARTIAL_REPROJECTION", "NO")
    set("OGR_CT_FORCE_TRADITIONAL_GIS_ORDER", "NO")
    set("OGR_SQLITE_LOAD_EXTENSIONS", "")
    set("SHAPE_RESTORE_SHX", "NO")
    set("CPL_DEBUG", "OFF")
    if let scratch { set("CPL_TMPDIR", scratch) }
    GDALAllRegister()
    OSRSetPROJEnableNetwork(0)
  }

  /// Versions of GDAL, PROJ and GEOS in use.
  public static var versions: Versions {
    var major: Int32 = 0
    var minor: Int32 = 0
    var patch: Int32 = 0
    OSRGetPROJVersion(&major, &minor, &patch)
    return Versions(
      gdal: GDALVersionInfo("RELEASE_NAME").map { String(cString: $0) } ?? "",
      proj: "\(major).\(minor).\(patch)",
      geos: GEOSversion().map { String(cString: $0) } ?? "")
  }

  private static func set(_ name: String, _ value: String) { CPLSetConfigOption(name, value) }
}

/// A `char**` list for GDAL, freed with the value that holds it.
final class StringList {
  private(set) var pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
  private let count: Int

  init(_ strings: [String]) {
    var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    for string in strings { list = CSLAddString(list, string) }
    pointer = list
    count = strings.count
  }

  deinit { CSLDestroy(pointer) }

  /// The list as the `const char *const *` that GDALOpenEx wants.
  func withConstPointer<T>(_ body: (UnsafePointer<UnsafePointer<CChar>?>?) throws -> T) rethrows -> T {
    guard let pointer else { return try body(nil) }
    return try pointer.withMemoryRebound(to: UnsafePointer<CChar>?.self, capacity: count + 1) { try body($0) }
  }
}

extension GDALLibrary {
  /// Drivers this program needs and this GDAL lacks.
  public static var missingDrivers: [String] {
    VectorFormat.allCases.map(\.driver).filter { GDALGetDriverByName($0) == nil }
  }

  /// Whether PROJ finds its database: without it no coordinate can be transformed.
  public static var canTransform: Bool {
    guard let utm = try? CoordinateReference(request: "EPSG:25832"),
      let transformation = try? TransformationToWGS84(from: utm, origin: .request), let handle = transformation.handle
    else { return false }
    var x = 500_000.0
    var y = 5_300_000.0
    return OCTTransform(handle, 1, &x, &y, nil) != 0 && abs(x - 9) < 1e-6
  }
}
