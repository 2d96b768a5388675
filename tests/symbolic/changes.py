"""Changes of variables of the textbooks, for the tests of canonical maps."""

import hamsym as hs

LINE = hs.PhaseSpace("q", "p", parameters={"a": "real", "b": "positive"}, functions={"f": 1})
PLANE = hs.PhaseSpace("x y", "px py")
SOLID = hs.PhaseSpace("x y z", "px py pz")
POLAR = hs.PhaseSpace("r phi", "pr pphi", parameters={"r": "positive"})
PARABOLIC = hs.PhaseSpace("u v", "pu pv")
SPHERICAL = hs.PhaseSpace("r th phi", "pr pth pphi", parameters={"r": "positive"})
ACTION = hs.PhaseSpace("phi", "J", parameters={"J": "positive", "m": "positive", "w": "positive"})
ELLIPTIC = hs.PhaseSpace("u v", "pu pv", parameters={"a": "positive"})
#: name -> images, old space, new space
CANONICAL = {
    "polar": (
        {
            "x": "r*cos(phi)",
            "y": "r*sin(phi)",
            "px": "pr*cos(phi) - pphi*sin(phi)/r",
            "py": "pr*sin(phi) + pphi*cos(phi)/r",
        },
        POLAR,
        PLANE,
    ),
    "to polar": (
        {
            "r": "sqrt(x**2 + y**2)",
            "phi": "atan2(y, x)",
            "pr": "(x*px + y*py)/sqrt(x**2 + y**2)",
            "pphi": "x*py - y*px",
        },
        PLANE,
        POLAR,
    ),
    "parabolic": (
        {
            "x": "(u**2 - v**2)/2",
            "y": "u*v",
            "px": "(u*pu - v*pv)/(u**2 + v**2)",
            "py": "(v*pu + u*pv)/(u**2 + v**2)",
        },
        PARABOLIC,
        PLANE,
    ),
    "elliptic": (
        {
            "x": "a*cosh(u)*cos(v)",
            "y": "a*sinh(u)*sin(v)",
            "px": "(sinh(u)*cos(v)*pu - cosh(u)*sin(v)*pv)/(a*(sinh(u)**2 + sin(v)**2))",
            "py": "(cosh(u)*sin(v)*pu + sinh(u)*cos(v)*pv)/(a*(cosh(u)**2 - cos(v)**2))",
        },
        ELLIPTIC,
        PLANE,
    ),
    "spherical": (
        {
            "x": "r*sin(th)*cos(phi)",
            "y": "r*sin(th)*sin(phi)",
            "z": "r*cos(th)",
            "px": "pr*sin(th)*cos(phi) + pth*cos(th)*cos(phi)/r - pphi*sin(phi)/(r*sin(th))",
            "py": "pr*sin(th)*sin(phi) + pth*cos(th)*sin(phi)/r + pphi*cos(phi)/(r*sin(th))",
            "pz": "pr*cos(th) - pth*sin(th)/r",
        },
        SPHERICAL,
        SOLID,
    ),
    "action and angle": (
        {"q": "sqrt(2*J/(m*w))*sin(phi)", "p": "sqrt(2*J*m*w)*cos(phi)"},
        ACTION,
        hs.PhaseSpace("q", "p"),
    ),
    "gauge": ({"q": "q", "p": "p + f(q)"}, LINE, LINE),
    "exchange": ({"q": "p", "p": "-q"}, LINE, LINE),
    "logarithm": ({"q": "log(b*exp(p))", "p": "-q"}, LINE, LINE),
    "momentum map": (
        {"L1": "y*pz - z*py", "L2": "z*px - x*pz", "L3": "x*py - y*px"},
        SOLID,
        hs.LiePoissonSpace("L1 L2 L3", "so3"),
    ),
    "heavy top": (
        {
            **{"L1": "y*pz - z*py", "L2": "z*px - x*pz", "L3": "x*py - y*px"},
            **{"g1": "x", "g2": "y", "g3": "z"},
        },
        SOLID,
        hs.LiePoissonSpace("L1 L2 L3 g1 g2 g3", "e3"),
    ),
    "Casimirs are dropped": (
        {"L1": "L1", "L2": "L2", "L3": "L3"},
        hs.LiePoissonSpace("L1 L2 L3 g1 g2 g3", "e3"),
        hs.LiePoissonSpace("L1 L2 L3", "so3"),
    ),
    "Darboux coordinates of a spin": (
        {"L1": "sqrt(1 - J**2)*cos(phi)", "L2": "sqrt(1 - J**2)*sin(phi)", "L3": "J"},
        ACTION,
        hs.LiePoissonSpace("L1 L2 L3", "so3"),
    ),
}
