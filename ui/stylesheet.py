"""One generated stylesheet for the whole program, from the token table.

The properties it knows are listed in `ui.theme`. Kept short on purpose: every rule here costs
on each polish, and a panel that needs more paints itself with the same tokens.
"""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtGui import QColor

from ui.tokens import Tokens

# Stylesheets cannot colour an icon: these two carry a colour that holds on both themes.
_FIXED_ICONS = Path(__file__).resolve().parent.parent / "resources" / "icons" / "fixed"


def _icon(name: str) -> str:
    return (_FIXED_ICONS / f"{name}.svg").as_posix()


def _over(base: str, overlay: str) -> str:
    """`overlay` (#AARRGGBB) laid on `base`: stylesheets cannot stack grounds."""
    low, top = QColor(base), QColor(overlay)
    a = top.alphaF()
    mixed = (
        round(b * (1 - a) + o * a)
        for b, o in zip(
            (low.red(), low.green(), low.blue()),
            (top.red(), top.green(), top.blue()),
            strict=True,
        )
    )
    return QColor(*mixed).name()


def mix(base: str, top: str, alpha: float) -> str:
    """`top` at `alpha` (0..1) over `base`, as `#rrggbb`."""
    layer = QColor(top)
    layer.setAlphaF(alpha)
    return _over(base, layer.name(QColor.NameFormat.HexArgb))


def _filled(selector: str, ground: str, text: str, t: Tokens) -> str:
    faded, hover, press = mix(t.e1, ground, 0.4), _over(ground, t.hover), _over(ground, t.press)
    return f"""
{selector} {{ background: {ground}; color: {text}; border-color: {ground}; font-weight: 600; }}
{selector}:hover {{ background: {hover}; border-color: {hover}; }}
{selector}:pressed {{ background: {press}; border-color: {press}; }}
{selector}:disabled {{ background: {faded}; color: {mix(faded, text, 0.4)};
  border-color: {faded}; }}
"""


def _side(kind: str, hue: str, t: Tokens) -> str:
    """Which side of the ticket: a tint and an outline, for only the submit button is filled."""
    button = f'QPushButton[kind="{kind}"]'
    return f"""
{button} {{ background: {t.e2}; color: {t.t2}; font-weight: 600; min-height: 30px;
  max-height: 30px; }}
{button}:checked {{ background: {mix(t.e1, hue, 0.16)}; color: {hue}; border-color: {hue}; }}
"""


def _buttons(t: Tokens) -> str:
    return f"""
QPushButton {{ background: {t.e2}; color: {t.t1}; border: 1px solid {t.e2}; border-radius: 4px;
  padding: 0 12px; min-height: 26px; max-height: 26px; font-size: 12px; font-weight: 500; }}
QPushButton:hover {{ background: {_over(t.e2, t.hover)}; border-color: {_over(t.e2, t.hover)}; }}
QPushButton:pressed {{ background: {_over(t.e2, t.press)}; border-color: {_over(t.e2, t.press)}; }}
QPushButton:disabled {{ color: {mix(t.e2, t.t1, 0.4)}; }}
QPushButton:focus {{ border: 2px solid {t.accent}; padding: 0 11px; min-height: 24px;
  max-height: 24px; }}
QPushButton[form="submit"] {{ min-height: 34px; max-height: 34px; font-size: 13px; }}
{_filled('QPushButton[kind="primary"]', t.afill, "#FFFFFF", t)}
{_filled('QPushButton[kind="buy"]', t.up_fill, "#FFFFFF", t)}
{_filled('QPushButton[kind="sell"]', t.down_fill, "#FFFFFF", t)}
{_filled('QPushButton[kind="live"]', t.warnf, t.on_warn, t)}
{_filled('QPushButton[kind="danger_filled"]', t.dfill, "#FFFFFF", t)}
{_filled('QPushButton[kind="on_danger"]', "#FFFFFF", t.dfill, t)}
QPushButton[kind="danger"] {{ background: {t.e1}; color: {t.danger}; border-color: {t.danger};
  font-weight: 600; }}
QPushButton[kind="danger"]:hover {{ background: {_over(t.e1, t.hover)}; }}
QPushButton[kind="danger"]:pressed {{ background: {_over(t.e1, t.press)}; }}
QPushButton[kind="danger"]:disabled {{ color: {mix(t.e1, t.danger, 0.4)};
  border-color: {mix(t.e1, t.danger, 0.4)}; }}
QPushButton[kind="danger"][armed="true"] {{ background: {mix(t.e1, t.danger, 0.27)}; }}
QPushButton[kind="ghost"], QPushButton[kind="chip"], QPushButton[kind="link"],
QToolButton {{ background: transparent; color: {t.t2}; border: 1px solid transparent;
  border-radius: 4px; font-size: 12px; font-weight: 500; }}
QPushButton[kind="ghost"]:hover, QPushButton[kind="chip"]:hover,
QToolButton:hover {{ background: {_over(t.e1, t.hover)}; color: {t.t1}; }}
QPushButton[kind="ghost"]:pressed, QPushButton[kind="chip"]:pressed,
QToolButton:pressed {{ background: {_over(t.e1, t.press)}; }}
QPushButton[kind="ghost"]:disabled, QPushButton[kind="chip"]:disabled,
QToolButton:disabled {{ color: {mix(t.e1, t.t2, 0.4)}; }}
QPushButton[kind="chip"] {{ padding: 0 8px; min-height: 22px; max-height: 22px; }}
QPushButton[kind="chip"]:checked {{ background: {t.e2}; color: {t.t1}; font-weight: 600; }}
QPushButton[kind="palette"] {{ background: {t.e1}; border-color: {t.e1}; }}
QPushButton[kind="palette"]:hover {{ border-color: {t.line2}; }}
QPushButton[kind="segment"] {{ background: {t.e2}; color: {t.t2}; padding: 0 6px; }}
QPushButton[kind="segment"]:checked {{ background: {t.e3}; color: {t.t1}; font-weight: 600;
  border-color: {t.e3_border}; }}
{_side("side_buy", t.up, t)}
{_side("side_sell", t.down, t)}
QPushButton[kind="link"] {{ color: {t.accent}; padding: 0; text-align: left; }}
QPushButton[kind="link"]:hover {{ color: {t.t1}; }}
QPushButton[kind="link"]:disabled {{ color: {mix(t.e1, t.accent, 0.4)}; }}
QPushButton[kind="ghost"]:focus, QPushButton[kind="chip"]:focus, QPushButton[kind="link"]:focus,
QPushButton[kind="primary"]:focus, QPushButton[kind="buy"]:focus, QPushButton[kind="sell"]:focus,
QPushButton[kind="live"]:focus, QPushButton[kind="danger"]:focus,
QToolButton:focus {{ border-color: {t.accent}; }}
QToolButton[kind="icon"] {{ min-width: 26px; min-height: 26px; max-width: 26px;
  max-height: 26px; }}
QToolButton::menu-indicator {{ image: none; }}
"""


_LABELS = (
    ("quote", 10, 400, "t3"),
    ("caption", 11, 400, "t3"),
    ("label", 12, 400, "t2"),
    ("value", 12, 500, "t1"),
    ("title", 13, 600, "t1"),
    ("dialog_title", 15, 600, "t1"),
    ("figure", 18, 600, "t1"),
    ("symbol", 18, 600, "t1"),
    ("price", 20, 600, "t1"),
    ("big", 24, 600, "t1"),
    ("error", 11, 500, "danger"),
)
_TONES = ("up", "down", "warn", "danger", "accent", "sand", "t1", "t2", "t3")


def _labels(t: Tokens) -> str:
    roles = "\n".join(
        f'QLabel[role="{role}"] {{ font-size: {px}px; font-weight: {weight};'
        f" color: {getattr(t, token)}; }}"
        for role, px, weight, token in _LABELS
    )
    tones = "\n".join(f'QLabel[tone="{tone}"] {{ color: {getattr(t, tone)}; }}' for tone in _TONES)
    pills = "\n".join(
        f'QLabel[pill="{hue}"] {{ background: {mix(t.e1, getattr(t, hue), 0.16)};'
        f" color: {getattr(t, hue)}; border-radius: 4px; padding: 2px 8px; font-weight: 600; }}"
        for hue in ("up", "down", "warn")
    )
    badge = "border-radius: 4px; padding: 0 5px; min-height: 18px; max-height: 18px;"
    return f"""
QLabel {{ background: transparent; color: {t.t1}; }}
{roles}
{tones}
QLabel[tone="stale"] {{ color: {mix(t.e1, t.t3, 0.6)}; }}
{pills}
QLabel[badge] {{ {badge} font-size: 11px; font-weight: 600; letter-spacing: 0.6px; }}
QLabel[badge="demo"] {{ color: {t.t2}; border: 1px solid {t.t3}; }}
QLabel[badge="paper"] {{ color: {t.accent}; border: 1px solid {t.accent}; background: {t.sel}; }}
QLabel[badge="live"] {{ color: {t.on_warn}; border: 1px solid {t.warnf}; background: {t.warnf}; }}
"""


def _frames(t: Tokens) -> str:
    return f"""
QMainWindow, QWidget[role="window"] {{ background: {t.e0}; }}
QFrame[role="panel"] {{ background: {t.e1}; border: none; border-radius: 6px; }}
QFrame[role="bar"] {{ background: {t.e0}; border: none; }}
QFrame[role="inset"] {{ background: {t.e0}; border: none; border-radius: 4px; }}
QFrame[role="head"] {{ background: transparent; border: none;
  border-bottom: 1px solid {t.line}; }}
QFrame[role="rule"] {{ background: {t.line}; border: none; min-height: 1px; max-height: 1px; }}
QFrame[role="popup"] {{ background: {t.e3}; border: 1px solid {t.e3_border};
  border-radius: 6px; }}
QFrame[role="kill_band"] {{ background: {t.dfill}; border: none; }}
QFrame[role="kill_band"] QLabel {{ color: #FFFFFF; }}
QFrame[role="live_line"] {{ background: {t.warnf}; border: none; min-height: 2px;
  max-height: 2px; }}
QFrame[row="selectable"] {{ background: transparent; border: 1px solid transparent;
  border-radius: 4px; }}
QFrame[row="selectable"]:focus {{ border-color: {t.accent}; }}
QFrame[row="selectable"]:hover {{ background: {t.e2}; }}
QFrame[row="selectable"][selected="true"] {{ background: {t.sel}; }}
QMainWindow::separator {{ background: {t.e0}; width: 4px; height: 4px; }}
QSplitter::handle {{ background: {t.e0}; }}
QScrollArea, QScrollArea > QWidget > QWidget[role="page"] {{ background: transparent;
  border: none; }}
"""


def _fields(t: Tokens) -> str:
    field = "QLineEdit, QComboBox, QSpinBox, QDoubleSpinBox"
    focus = ", ".join(f"{name}:focus" for name in field.split(", "))
    hover = ", ".join(f"{name}:hover" for name in field.split(", "))
    error = ", ".join(f'{name}[error="true"]' for name in field.split(", "))
    disabled = ", ".join(f"{name}:disabled" for name in field.split(", "))
    return f"""
{field} {{ background: {t.e2}; color: {t.t1}; border: 1px solid {t.e2}; border-radius: 4px;
  padding: 0 10px; min-height: 30px; max-height: 30px; font-size: 13px; font-weight: 500;
  selection-background-color: {t.afill}; selection-color: #FFFFFF; }}
{hover} {{ border-color: {t.line2}; }}
{focus} {{ border-color: {t.accent}; }}
{error} {{ border-color: {t.danger}; }}
{disabled} {{ color: {mix(t.e2, t.t1, 0.4)}; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0; border: none; }}
QComboBox::drop-down {{ border: none; width: 24px; }}
QComboBox::down-arrow {{ image: url("{_icon("chevron-grey")}"); width: 12px; height: 12px; }}
QComboBox QAbstractItemView {{ background: {t.e3}; border: 1px solid {t.e3_border};
  selection-background-color: {t.sel}; selection-color: {t.t1}; outline: none; padding: 4px; }}
QFrame[role="field"] {{ background: {t.e2}; border: 1px solid {t.e2}; border-radius: 4px; }}
QFrame[role="field"]:hover {{ border-color: {t.line2}; }}
QFrame[role="field"][focused="true"] {{ border-color: {t.accent}; }}
QFrame[role="field"][error="true"] {{ border-color: {t.danger}; }}
QLineEdit[role="bare"], QLineEdit[role="bare"]:hover, QLineEdit[role="bare"]:focus {{
  background: transparent; border: none; padding: 0; font-weight: 600; }}
QComboBox[role="small"], QComboBox[role="small"]:hover {{ background: transparent;
  border: 1px solid transparent; padding: 0 4px; min-height: 20px; max-height: 20px;
  font-size: 12px; color: {t.t2}; }}
QPlainTextEdit, QTextEdit {{ background: {t.e1}; border: none; color: {t.t1}; }}
QPlainTextEdit[role="field"] {{ background: {t.e2}; border: 1px solid {t.e2}; border-radius: 4px;
  padding: 4px 6px; font-size: 13px; }}
QPlainTextEdit[role="field"]:hover {{ border-color: {t.line2}; }}
QPlainTextEdit[role="field"]:focus {{ border-color: {t.accent}; }}
QPlainTextEdit[role="field"]:disabled {{ color: {mix(t.e2, t.t1, 0.4)}; }}
QCheckBox, QRadioButton {{ color: {t.t1}; spacing: 8px; background: transparent; }}
QCheckBox::indicator, QRadioButton::indicator {{ width: 12px; height: 12px;
  background: {t.e2}; border: 1px solid {t.line2}; border-radius: 3px; }}
QRadioButton::indicator {{ border-radius: 7px; }}
QCheckBox::indicator:hover, QRadioButton::indicator:hover {{ border-color: {t.t3}; }}
QCheckBox::indicator:focus, QRadioButton::indicator:focus {{ border-color: {t.accent}; }}
QCheckBox::indicator:checked {{ background: {t.afill}; border-color: {t.afill};
  image: url("{_icon("check-white")}"); }}
QRadioButton::indicator:checked {{ width: 6px; height: 6px; background: #FFFFFF;
  border: 4px solid {t.afill}; }}
QCheckBox:disabled, QRadioButton:disabled {{ color: {mix(t.e1, t.t1, 0.4)}; }}
"""


def _views(t: Tokens) -> str:
    return f"""
QTableView, QListView, QTreeView {{ background: {t.e1}; border: none; outline: none;
  gridline-color: {t.e1}; selection-background-color: {t.sel}; selection-color: {t.t1}; }}
QTableView[rows="selectable"] {{ border: 1px solid {t.e1}; }}
QTableView[rows="selectable"][ring="true"]:focus {{ border-color: {t.accent}; }}
QTableView::item:hover, QListView::item:hover, QTreeView::item:hover {{ background: {t.e2}; }}
QTableView::item:selected, QListView::item:selected,
QTreeView::item:selected {{ background: {t.sel}; color: {t.t1}; }}
QHeaderView {{ background: {t.e1}; border: none; }}
QHeaderView::section {{ background: {t.e1}; color: {t.t3}; border: none;
  border-bottom: 1px solid {t.line}; padding: 0 12px; height: 26px; font-size: 11px;
  font-weight: 400; }}
QTableCornerButton::section {{ background: {t.e1}; border: none; }}
QTabWidget::pane {{ border: none; }}
QTabBar {{ background: transparent; border: none; qproperty-drawBase: 0; }}
QTabBar::tab {{ background: transparent; color: {t.t2}; border: none; border-radius: 4px;
  padding: 0 14px; height: 32px; font-size: 13px; font-weight: 500; }}
QTabBar::tab:hover {{ color: {t.t1}; }}
QTabBar::tab:selected {{ background: {t.e1}; color: {t.t1}; }}
QTabBar[kind="sub"]::tab {{ background: transparent; border-radius: 0; padding: 0 12px;
  height: 32px; border-bottom: 2px solid transparent; font-size: 12px; }}
QTabBar[kind="sub"]::tab:selected {{ border-bottom: 2px solid {t.accent}; }}
QTabBar[kind="sub"]:focus::tab:selected {{ color: {t.accent}; }}
QProgressBar {{ background: {t.track}; border: none; border-radius: 2px; min-height: 4px;
  max-height: 4px; }}
QProgressBar::chunk {{ background: {t.t3}; border-radius: 2px; }}
QProgressBar[tone="accent"]::chunk {{ background: {t.accent}; }}
QProgressBar[tone="warn"]::chunk {{ background: {t.warnf}; }}
QProgressBar[tone="danger"]::chunk {{ background: {t.danger}; }}
QScrollBar {{ background: transparent; border: none; margin: 0; }}
QScrollBar:vertical {{ width: 8px; }}
QScrollBar:horizontal {{ height: 8px; }}
QScrollBar::handle {{ background: {t.line2}; border-radius: 4px; min-height: 24px;
  min-width: 24px; }}
QScrollBar::handle:hover {{ background: {t.t3}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
"""


def _popups(t: Tokens) -> str:
    return f"""
QDialog {{ background: {t.e3}; }}
QToolTip {{ background: {t.e3}; color: {t.t1}; border: 1px solid {t.e3_border}; padding: 6px 8px;
  font-size: 12px; }}
QMenu {{ background: {t.e3}; color: {t.t1}; border: 1px solid {t.e3_border}; padding: 4px; }}
QMenu::item {{ padding: 6px 24px 6px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {_over(t.e3, t.hover)}; }}
QMenu::item:disabled {{ color: {mix(t.e3, t.t1, 0.4)}; }}
QMenu::separator {{ background: {t.line2}; height: 1px; margin: 4px 8px; }}
"""


def _docks(t: Tokens) -> str:
    """Heads of panels that are arranged or stand behind one another, and their windows."""
    tab, bar = "ads--CDockWidgetTab", "ads--CDockAreaTitleBar"
    return f"""
ads--CDockManager, ads--CDockContainerWidget, ads--CDockAreaWidget, ads--CDockWidget,
ads--CDockSplitter {{ background: {t.e0}; border: none; }}
ads--CDockSplitter::handle {{ background: {t.e0}; }}
ads--CDockSplitter::handle:hover {{ background: {t.line2}; }}
{bar} {{ background: {t.e1}; border-top-left-radius: 6px; border-top-right-radius: 6px;
  min-height: 30px; max-height: 30px; padding: 0 4px; }}
ads--CDockAreaTabBar, #tabsContainerWidget {{ background: transparent; border: none; }}
{tab} {{ background: transparent; border: none; border-bottom: 2px solid transparent;
  padding: 0 10px; min-height: 28px; }}
{tab} QLabel {{ color: {t.t2}; font-size: 12px; font-weight: 500; }}
{tab}[activeTab="true"] QLabel {{ color: {t.t1}; }}
{tab}[activeTab="true"] {{ border-bottom: 2px solid {t.accent}; }}
{bar} QToolButton {{ min-width: 22px; min-height: 22px; max-width: 22px; max-height: 22px; }}
ads--CFloatingDockContainer {{ background: {t.e0}; border: 1px solid {t.line2}; }}
ads--CFloatingWidgetTitleBar {{ background: {t.e0}; min-height: 30px; }}
ads--CFloatingWidgetTitleBar QLabel {{ color: {t.t1}; font-size: 12px; font-weight: 600;
  padding: 0 8px; }}
"""


def build(t: Tokens) -> str:
    """The stylesheet of the whole application."""
    return _buttons(t) + _labels(t) + _frames(t) + _fields(t) + _views(t) + _popups(t) + _docks(t)
